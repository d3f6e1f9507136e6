//! The log of this process: for finding causes, not for the operator, who gets the report. Secrets are hidden in it too.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use anyhow::Context;
use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::report::Redactor;

/// Log of the process that does the work.
pub(super) const WORK_LOG: &str = "/var/log/tootstrap.log";

/// Variable that says how much is logged: `TOOTSTRAP_LOG=debug`.
pub(super) const LEVEL: &str = "TOOTSTRAP_LOG";

/// What [`LEVEL`] says, for the process that does the work.
#[expect(clippy::disallowed_methods, reason = "it is no setting of the installation")]
pub(super) fn level() -> Option<String> {
    std::env::var(LEVEL).ok()
}

/// Warnings to standard error, unless [`LEVEL`] asks for more.
pub(super) fn to_terminal(redactor: Arc<Redactor>) {
    start(redactor, LevelFilter::Warn, Target::Stderr);
}

/// Everything worth keeping to [`WORK_LOG`], readable by root only.
pub(super) fn to_file(redactor: Arc<Redactor>) -> anyhow::Result<()> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(WORK_LOG);
    let file = file.with_context(|| format!("cannot open {WORK_LOG}"))?;
    start(redactor, LevelFilter::Info, Target::Pipe(Box::new(file)));
    Ok(())
}

fn start(redactor: Arc<Redactor>, level: LevelFilter, target: Target) {
    let format = move |out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>| {
        let text = redactor.clean(&record.args().to_string());
        writeln!(out, "{} {:5} {}: {text}", jiff::Timestamp::now(), record.level(), record.target())
    };
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Warn).filter_module("tootstrap", level);
    // Whoever asked tells the operator which certificate is not trusted, and why.
    builder.filter_module("rustls_platform_verifier", LevelFilter::Off);
    builder.parse_env(LEVEL).format(format).target(target);
    // Only a test that starts two programs in one process finds a logger here.
    let _there_already = builder.try_init();
}
