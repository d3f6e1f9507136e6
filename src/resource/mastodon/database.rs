//! Mastodon's tables and the rows that it cannot do without.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use async_trait::async_trait;

use super::super::docker::compose;
use super::super::{Drift, Resource, stamp};
use super::psql::{Rows, number};
use super::{Content, rails, wait_for_earlier};
use crate::host::{Host, HostError, Probe};
use crate::report::{Problem, WithRemedy};

/// Which version the tables were last prepared for, and their schema then.
const STAMP: &str = "app/schema";

/// The database is prepared for a version of Mastodon.
#[derive(Debug)]
pub struct Database {
    version: String,
    content: Arc<Content>,
    /// Stop what serves before a migration: there is no memory for both.
    alone: bool,
}

impl Database {
    /// For this version, `v4.7.4`. `alone`: nothing serves meanwhile.
    pub fn new(version: impl Into<String>, content: Arc<Content>, alone: bool) -> Self {
        Self { version: version.into(), content, alone }
    }

    async fn state(&self, host: &dyn Probe, rows: Option<&Rows>) -> anyhow::Result<State> {
        let Some(rows) = rows else { return Ok(State::Absent) };
        if !rows.contains_key("schema") {
            return Ok(State::Empty);
        }
        let schema = number(rows, "schema")?;
        let known = match stamp::read(host, STAMP).await? {
            Some(stamp) => Known::of(&stamp, &self.version),
            None => Known::Nothing,
        };
        if let Known::Schema(prepared) = known {
            refuse_newer(schema, prepared, &self.version)?;
        }
        Ok(State::Prepared { schema, current: matches!(known, Known::Schema(_)), seeded: is_seeded(rows)? })
    }

    /// The schema that the image of this version has, from its `db/schema.rb`.
    async fn schema_of_image(&self, host: &dyn Host) -> anyhow::Result<u64> {
        let grep = compose().args([
            "run",
            "--rm",
            "-T",
            "--no-deps",
            "--entrypoint",
            "grep",
            "web",
            "-m1",
            "-o",
            "version: [0-9_]*",
            "db/schema.rb",
        ]);
        let answer = host.run(&grep).await.context("cannot read the schema's version from Mastodon's image")?;
        // Lines of others may stand around it.
        let version = answer.stdout.lines().find_map(|line| line.strip_prefix("version: ")).unwrap_or_default();
        let version: Option<u64> = version.replace('_', "").trim().parse().ok();
        version.with_context(|| format!("Mastodon's image has the schema version `{}`", answer.stdout.trim()))
    }
}

enum State {
    /// No database runs.
    Absent,
    /// It has no tables of Mastodon's, or not all of them: without `schema_migrations` Rails begins again.
    Empty,
    /// It has.
    Prepared {
        schema: u64,
        /// For the version that is wanted, and to its end.
        current: bool,
        seeded: bool,
    },
}

enum Known {
    Nothing,
    OtherVersion,
    Schema(u64),
}

impl Known {
    /// A stamp that says nothing sensible is as good as none: the image is asked again.
    fn of(stamp: &str, version: &str) -> Self {
        match stamp.split_once(' ') {
            Some((stamped, schema)) if stamped == version => schema.parse().map_or(Self::Nothing, Self::Schema),
            Some(_) => Self::OtherVersion,
            None => Self::Nothing,
        }
    }
}

fn is_seeded(rows: &Rows) -> anyhow::Result<bool> {
    Ok(number(rows, "roles")? > 0 && number(rows, "actor")? > 0 && number(rows, "application")? > 0)
}

fn refuse_newer(schema: u64, image: u64, version: &str) -> anyhow::Result<()> {
    if schema <= image {
        return Ok(());
    }
    Err(anyhow!("the database has the schema {schema}, newer than that of Mastodon {version} ({image})"))
        .remedy("set the version that it was last used with in /etc/tootstrap/settings.toml: Mastodon cannot go back to an older one")
}

/// With what helps, where that is known.
fn explained(error: HostError) -> anyhow::Error {
    let said = error.to_string();
    if said.contains("No route to host") {
        return Problem::new(error.into(), "a firewall keeps the containers apart: sudo tootstrap doctor names it and what to do").into();
    }
    error.into()
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database of Mastodon {}", self.version)
    }
}

#[async_trait]
impl Resource for Database {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        let rows = self.content.ask(host).await?;
        match self.state(host, rows.as_ref()).await? {
            State::Absent | State::Empty => drift.push_do("create Mastodon's tables"),
            State::Prepared { current: false, .. } => drift.push_do(format!("bring the tables to Mastodon {}", self.version)),
            State::Prepared { seeded: false, .. } => drift.push_do("add the rows that Mastodon cannot do without"),
            State::Prepared { .. } => rows.into_iter().for_each(|rows| self.content.keep(rows)),
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        wait_for_earlier(host).await?;
        let before = self.state(host.probe(), self.content.ask(host.probe()).await?.as_ref()).await?;
        if let State::Prepared { schema, current: false, .. } = before {
            refuse_newer(schema, self.schema_of_image(host).await?, &self.version)?;
            if self.alone {
                host.run(&compose().args(["stop", "web", "sidekiq", "streaming"])).await?;
            }
        }
        if !matches!(before, State::Prepared { current: true, .. }) {
            let prepared = host.run(&rails([], ["db:prepare"])).await;
            prepared.map_err(explained).context("cannot prepare Mastodon's database")?;
        }
        // On an empty database db:prepare has seeded. On any other a crash may have left that to us, and it is safe to repeat.
        if matches!(before, State::Prepared { .. }) {
            host.run(&rails([], ["db:seed"])).await.context("cannot add Mastodon's first rows")?;
        }
        let rows = self.content.ask(host.probe()).await?.context("the database stopped while it was prepared")?;
        let schema = number(&rows, "schema").context("Rails prepared the database, but it has no schema")?;
        stamp::write(host, STAMP, &format!("{} {schema}", self.version)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::host::fake::docker::{Tables, Unstarted};
    use crate::resource::testing::converge;

    const RUN: &str = "run docker compose --project-directory /opt/mastodon run --rm -T --no-deps";
    const WRITE: &str = "write /var/lib/tootstrap/stamps/app-schema 644";

    fn at(version: &str, alone: bool) -> Database {
        Database::new(version, Content::new("Alice".parse().unwrap()), alone)
    }

    fn database() -> Database {
        at("v4.7.4", true)
    }

    fn machine() -> FakeHost {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        host
    }

    fn rails_command(task: &str) -> String {
        format!("{RUN} web bundle exec rails {task}")
    }

    #[tokio::test]
    async fn an_empty_database_is_prepared_with_one_process() {
        let bare = database().check(&FakeHost::debian()).await.unwrap();
        assert_eq!(bare, Drift::to_do("create Mastodon's tables"));
        let host = machine();
        assert!(converge(&host, &database()).await.contains(&rails_command("db:prepare")));
        assert!(converge(&host, &database()).await.is_empty());
    }

    #[tokio::test]
    async fn a_crash_between_tables_and_rows_is_recovered() {
        let host = machine();
        host.machine().docker.tables = Some(Tables { schema: 20_260_818_093_000, ..Tables::default() });
        let log = converge(&host, &database()).await;
        let grep = format!("{RUN} --entrypoint grep web -m1 -o 'version: [0-9_]*' db/schema.rb");
        let stop = "run docker compose --project-directory /opt/mastodon stop web sidekiq streaming";
        assert_eq!(log[..4], [grep, stop.into(), rails_command("db:prepare"), rails_command("db:seed")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rails_process_that_outlived_a_killed_run_is_waited_for() {
        let host = machine();
        host.machine().docker.rails_at_work = 3;
        let log = converge(&host, &database()).await;
        assert_eq!(host.machine().docker.rails_at_work, 0);
        assert!(log.contains(&rails_command("db:prepare")), "{log:?}");
        // One that does not end is told.
        let host = machine();
        host.machine().docker.rails_at_work = usize::MAX;
        let error = database().apply(&host).await.unwrap_err();
        assert!(format!("{error:#}").contains("rails db:prepare") && host.take_log().is_empty(), "{error:#}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_container_of_a_rails_process_that_never_began_is_removed() {
        for unstarted in [Unstarted::Goes, Unstarted::Begins] {
            let host = machine();
            host.machine().docker.rails_unstarted = Some(unstarted);
            let log = converge(&host, &database()).await;
            let at = |line: &str| log.iter().position(|done| done == line).unwrap_or_else(|| panic!("{line} is not in {log:?}"));
            assert!(at("run docker rm unstarted-id") < at(&rails_command("db:prepare")));
            assert_eq!(host.machine().docker.rails_at_work, 0, "one that began after all is waited for");
        }
    }

    #[test]
    fn a_firewall_between_containers_is_named() {
        let failed = |line: &str| HostError::Failed { command: "rails db:prepare".into(), status: 1, tail: vec![line.into()] };
        let error = explained(failed("could not connect to server: No route to host"));
        assert!(Problem::remedy_of(&error).is_some_and(|remedy| remedy.contains("tootstrap doctor")));
        assert!(Problem::remedy_of(&explained(failed("relation exists"))).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait_for_it() {
        let stop = crate::run::Stop::default();
        let host = machine().stopped_by(&stop);
        host.machine().docker.rails_at_work = usize::MAX;
        stop.request();
        let error = database().apply(&host).await.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(crate::host::HostError::Stopped)) && host.take_log().is_empty(), "{error:#}");
    }

    #[tokio::test]
    async fn rows_that_went_missing_later_are_added_again() {
        let host = machine();
        converge(&host, &database()).await;
        host.machine().docker.tables.as_mut().unwrap().roles = 0;
        assert_eq!(converge(&host, &database()).await, [rails_command("db:seed"), WRITE.into()]);
    }

    #[tokio::test]
    async fn another_version_migrates() {
        let host = machine();
        converge(&host, &at("v4.7.3", false)).await;
        host.machine().docker.tables.as_mut().unwrap().schema -= 1;
        let drift = database().check(&host).await.unwrap();
        assert_eq!(drift, Drift::to_do("bring the tables to Mastodon v4.7.4"));
        assert!(converge(&host, &at("v4.7.4", false)).await.contains(&rails_command("db:prepare")));
    }

    #[tokio::test]
    async fn a_newer_database_is_refused_before_anything_runs() {
        let host = machine();
        host.machine().docker.tables = Some(Tables { schema: 20_991_231_000_000, ..Tables::seeded() });
        let error = database().apply(&host).await.unwrap_err();
        assert!(crate::report::Problem::remedy_of(&error).is_some());
        assert!(!host.take_log().iter().any(|line| line.contains("db:")));

        let host = machine();
        converge(&host, &database()).await;
        host.machine().docker.tables.as_mut().unwrap().schema += 1;
        assert!(database().check(&host).await.is_err());
    }
}
