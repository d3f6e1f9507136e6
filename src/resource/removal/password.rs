//! The owner's first password, after the account that it opened.

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;

use super::super::{Drift, Resource, credentials};
use crate::host::{Access, Host, Probe};

/// The lines about the owner are out of the file that this program wrote them into; a file of nothing else goes. A sudo user's password
/// stays: it may be the only way in.
#[derive(Debug)]
pub struct NoOwnerPassword;

struct Rest {
    path: PathBuf,
    access: Access,
    content: Vec<u8>,
}

async fn rest(host: &dyn Probe) -> anyhow::Result<Option<Rest>> {
    let Some((path, access)) = credentials::with_owner_lines(host).await? else { return Ok(None) };
    let present = host.read(&path).await?.unwrap_or_default();
    let content = credentials::without_owner(&present);
    Ok((content != present).then_some(Rest { path, access, content }))
}

impl fmt::Display for NoOwnerPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no first password of the owner")
    }
}

#[async_trait]
impl Resource for NoOwnerPassword {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let going = |rest: Rest| Drift::to_do(format!("remove the owner's lines from {}", rest.path.display()));
        Ok(rest(host).await?.map(going).unwrap_or_default())
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let Some(Rest { path, access, content }) = rest(host.probe()).await? else { return Ok(()) };
        if content.is_empty() {
            return Ok(host.remove(&path).await?);
        }
        Ok(host.write(&path, &content, access).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn only_what_was_written_about_the_owner_goes() {
        const PATH: &str = "/root/.credentials";
        const OWNER: &str = "Owner Username: alice\nOwner Email: a@a.org\nOwner Password: x\n";
        for (present, stamped, log, left) in [
            (OWNER.to_owned(), true, &["remove /root/.credentials"][..], String::new()),
            (format!("Sudo Password: y\n{OWNER}mine\n"), true, &["write /root/.credentials 600"], "Sudo Password: y\nmine\n".into()),
            (OWNER.to_owned(), false, &[], OWNER.into()),
            ("mine\n".to_owned(), true, &[], "mine\n".into()),
        ] {
            let host = FakeHost::debian();
            host.machine().place(PATH, Kind::File, &present, 0o600);
            if stamped {
                host.machine().place("/var/lib/tootstrap/stamps/finish-credentials", Kind::File, "/root/.credentials\n", 0o644);
            }
            assert_eq!(converge(&host, &NoOwnerPassword).await, log, "{present:?}");
            assert_eq!(host.machine().text(PATH), left);
        }
    }
}
