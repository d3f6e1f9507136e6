//! Units of systemd.

use std::collections::HashMap;
use std::fmt;

use anyhow::Context;
use async_trait::async_trait;

use super::{Drift, Resource};
use crate::host::{Cmd, Host, Probe};

/// What a unit shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// Started at boot, and running now.
    Running,
    /// Started at boot; whether it runs now does not matter.
    Enabled,
}

/// Units of systemd that shall be in one state. One `systemctl show` looks at all of them.
pub struct Unit {
    names: Vec<String>,
    want: Want,
}

impl Unit {
    /// Services, timers or sockets that start at boot and run now. Full names: `docker.service`.
    pub fn running(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(names, Want::Running)
    }

    /// Units that start at boot, such as a oneshot service that need not run now.
    pub fn enabled(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(names, Want::Enabled)
    }

    fn new(names: impl IntoIterator<Item = impl Into<String>>, want: Want) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), want }
    }

    async fn states(&self, host: &dyn Probe) -> anyhow::Result<Vec<State>> {
        let show = Cmd::new("systemctl").args(["show", "--property=LoadState,UnitFileState,ActiveState,NeedDaemonReload", "--"]);
        let output = host.query(&show.args(&self.names)).await.context("cannot ask systemd for its units")?;
        anyhow::ensure!(output.success(), "systemd does not answer: {}", output.stderr.trim());
        let states: Vec<_> = output.stdout.split("\n\n").map(State::parse).collect();
        anyhow::ensure!(states.len() == self.names.len(), "systemctl told of {} units, not {}", states.len(), self.names.len());
        Ok(states)
    }
}

/// What `systemctl show` says of one unit.
#[derive(Debug, PartialEq, Eq)]
struct State {
    exists: bool,
    starts_at_boot: bool,
    active: String,
    stale: bool,
}

impl State {
    fn parse(block: &str) -> Self {
        let properties: HashMap<_, _> = block.lines().filter_map(|line| line.split_once('=')).collect();
        let value = |name| properties.get(name).copied().unwrap_or_default();
        Self {
            exists: !matches!(value("LoadState"), "" | "not-found"),
            // A static unit has nothing to enable: something else pulls it in.
            starts_at_boot: matches!(value("UnitFileState"), "enabled" | "static" | "alias" | "indirect" | "generated" | "linked-runtime"),
            active: value("ActiveState").to_owned(),
            stale: value("NeedDaemonReload") == "yes",
        }
    }

    fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unit {}", self.names.join(", "))
    }
}

#[async_trait]
impl Resource for Unit {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let states = self.states(host).await?;
        let mut drift = Drift::none();
        if states.iter().any(|state| state.stale) {
            drift.push_do("make systemd read its unit files again");
        }
        for (name, state) in self.names.iter().zip(&states) {
            if !state.starts_at_boot {
                drift.push_do(format!("enable {name}"));
            }
            if self.want == Want::Running && !state.runs() {
                drift.push_do(format!("start {name}"));
            }
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let states = self.states(host.probe()).await?;
        if states.iter().any(|state| state.stale || !state.exists) {
            host.run(&Cmd::new("systemctl").arg("daemon-reload")).await?;
        }
        for (name, state) in self.names.iter().zip(&states) {
            let verbs: &[&str] = match self.want {
                Want::Running if state.starts_at_boot && !state.runs() => &["start"],
                Want::Running if !state.starts_at_boot => &["enable", "--now"],
                Want::Enabled if !state.starts_at_boot => &["enable"],
                Want::Running | Want::Enabled => &[],
            };
            if !verbs.is_empty() {
                host.run(&Cmd::new("systemctl").args(verbs.iter().copied()).arg(name)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::host::fake::systemd::Systemd;
    use crate::resource::Change;

    async fn case(arrange: fn(&mut Systemd), unit: Unit, changes: &[&str], log: &[&str]) {
        let host = FakeHost::debian();
        arrange(&mut host.machine().systemd);
        let drift = unit.check(&host).await.unwrap();
        let sentences: Vec<_> = drift.changes.iter().map(Change::to_string).collect();
        assert_eq!(sentences, changes);
        if !changes.is_empty() {
            unit.apply(&host).await.unwrap();
        }
        assert_eq!(host.take_log(), log);
        assert!(unit.check(&host).await.unwrap().is_empty(), "{unit} differs after apply");
    }

    #[tokio::test]
    async fn running() {
        let unit = || Unit::running(["a.service", "b.timer"]);
        let both = |s: &mut Systemd| ["a.service", "b.timer"].into_iter().for_each(|name| s.add(name, true));
        case(both, unit(), &[], &[]).await;
        case(
            |s| {
                s.add("a.service", true);
                s.add("b.timer", false);
            },
            unit(),
            &["enable b.timer", "start b.timer"],
            &["run systemctl enable --now b.timer"],
        )
        .await;
        case(
            |s| {
                s.add("a.service", true);
                s.add("b.timer", true);
                s.units.get_mut("a.service").unwrap().active = "failed";
            },
            unit(),
            &["start a.service"],
            &["run systemctl start a.service"],
        )
        .await;
    }

    #[tokio::test]
    async fn a_changed_unit_file_is_read_again() {
        let stale = |s: &mut Systemd| {
            s.add("a.service", true);
            s.units.get_mut("a.service").unwrap().stale = true;
        };
        case(stale, Unit::running(["a.service"]), &["make systemd read its unit files again"], &["run systemctl daemon-reload"]).await;
    }

    #[tokio::test]
    async fn enabled_does_not_start() {
        case(|s| s.add("a.service", false), Unit::enabled(["a.service"]), &["enable a.service"], &["run systemctl enable a.service"]).await;
    }

    #[tokio::test]
    async fn a_unit_that_does_not_exist_is_to_be_enabled_and_then_fails_plainly() {
        let host = FakeHost::debian();
        let unit = Unit::running(["a.service"]);
        assert_eq!(unit.check(&host).await.unwrap().changes.len(), 2);
        let error = unit.apply(&host).await.unwrap_err();
        assert!(error.to_string().contains("a.service does not exist"), "{error}");
    }
}
