//! Reading rows.

use std::collections::BTreeMap;

use anyhow::anyhow;

use super::super::docker::{installed, running};
use crate::host::{Cmd, Probe};
use crate::report::WithRemedy;

/// What a query told: each line was `name=value`.
pub(super) type Rows = BTreeMap<String, String>;

/// Runs SQL in the database container; `variables` are psql's, quoted by it as `:'name'`. `None`: the database does not run (yet).
pub(super) async fn query(host: &dyn Probe, variables: &[(&str, &str)], sql: &str) -> anyhow::Result<Option<Rows>> {
    if !installed(host).await {
        return Ok(None);
    }
    let Some(container) = running(host, "db").await? else { return Ok(None) };
    let mut psql = Cmd::new("docker").args(["exec", "--interactive", &container, "psql"]);
    psql = psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
    psql = psql.args(["--field-separator", "=", "--set", "ON_ERROR_STOP=1", "--username", "mastodon", "--dbname", "mastodon"]);
    for (name, value) in variables {
        psql = psql.arg("--set").arg(format!("{name}={value}"));
    }
    let answer = host.query(&psql.stdin(sql.into())).await?;
    if answer.success() {
        return Ok(Some(answer.stdout.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()));
    }
    // It may have ended just now.
    if ["is not running", "No such container"].iter().any(|text| answer.stderr.contains(text)) {
        return Ok(None);
    }
    Err(anyhow!("the database does not answer: {}", answer.stderr.trim())).remedy("look at its log: sudo tootstrap logs db")
}

/// A number that a query told.
pub(super) fn number(rows: &Rows, name: &str) -> anyhow::Result<u64> {
    let value = rows.get(name).ok_or_else(|| anyhow!("the database told nothing about {name}"))?;
    value.parse().map_err(|_| anyhow!("the database told `{value}` as {name}"))
}
