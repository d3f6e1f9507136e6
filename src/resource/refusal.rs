//! What the plan already knows to be impossible.

use std::fmt;

use async_trait::async_trait;

use super::{Drift, Resource};
use crate::host::Probe;
use crate::report::{Problem, WithRemedy};

/// Something that cannot be: its check fails with the reason. Settings are refused before a plan is made, so this is the last line.
#[derive(Debug)]
pub struct Refusal {
    what: &'static str,
    why: String,
    remedy: Option<String>,
}

impl Refusal {
    /// `what` cannot be, because of `error`.
    pub fn new(what: &'static str, error: &anyhow::Error) -> Self {
        Self { what, why: format!("{error:#}"), remedy: Problem::remedy_of(error).map(str::to_owned) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

#[async_trait]
impl Resource for Refusal {
    async fn check(&self, _host: &dyn Probe) -> anyhow::Result<Drift> {
        let error = Err(anyhow::anyhow!("{}", self.why));
        match &self.remedy {
            Some(remedy) => error.remedy(remedy),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[tokio::test]
    async fn tells_why_and_what_to_do() {
        let error = Err::<(), _>(anyhow::anyhow!("it is too long")).remedy("make it shorter").unwrap_err();
        let error = Refusal::new("the file", &error).check(&FakeHost::debian()).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), Problem::remedy_of(&error)), ("it is too long", Some("make it shorter")));
    }
}
