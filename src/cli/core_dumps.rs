//! Secrets are in this process's memory, so its memory must not get into a file.

use anyhow::Context;
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};

/// No core dump of this process, not even to a program like systemd-coredump, and none of what it starts that goes to a plain file.
/// It also keeps other processes of the same account from reading its memory.
pub(super) fn forbid() -> anyhow::Result<()> {
    set_dumpable(false).context("cannot make this process undumpable")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("cannot forbid core dumps")
}

#[cfg(test)]
mod tests {
    use nix::sys::prctl::get_dumpable;
    use nix::sys::resource::getrlimit;

    use super::*;

    #[test]
    fn afterwards_there_can_be_none() {
        forbid().unwrap();
        assert!(!get_dumpable().unwrap());
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
    }
}
