//! `tootstrap work`: the process that changes the machine. `install` starts it as a systemd unit and hands over the settings.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{End, Exit, Trouble};
use super::{answers, lock, logging};
use crate::host::system::System;
use crate::host::{Access, Host, Probe};
use crate::plan::mastodon::BACK_PAGE;
use crate::plan::{self, Inputs};
use crate::report::{Events, Journal, Made, Page, Redactor, Renderer, Trace, journal, made, page, render};
use crate::resource::docker::remember_definitions;
use crate::resume::COMPLETE;
use crate::run::{Engine, Mode, Stop};
use crate::secrets::{self, Entered};
use crate::settings::{Handover, Settings};

/// Do what is handed over on standard input (used by install)
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct Work {}

impl Work {
    pub(super) async fn run(self) -> End<Exit> {
        super::need_root()?;
        let redactor = Arc::new(Redactor::default());
        logging::to_file(Arc::clone(&redactor))?;
        let result = run(&redactor).await;
        if let Err(trouble) = &result {
            log::error!("{:#}", trouble.error);
        }
        result
    }
}

async fn run(redactor: &Arc<Redactor>) -> End<Exit> {
    let handover = receive()?;
    let (jobs, notes, trace) = (handover.jobs, handover.notes.clone(), handover.trace.clone());
    let facts = handover.facts.clone();
    let settings = handover.settings().map_err(Trouble::refused)?;
    hide(&settings, redactor);
    let _lock = lock::take(Path::new(lock::PATH))?;
    let stop = Stop::default();
    listen(&stop)?;
    let system = System::new(stop.clone());
    let entered = Entered { smtp_password: settings.smtp.as_ref().map(|smtp| smtp.password.clone()) };
    let secrets = secrets::keep(&system, entered, settings.sudo_user.as_ref()).await?;
    for secret in secrets.all() {
        redactor.hide(secret);
    }

    let serving = system.stat(Path::new(BACK_PAGE)).await?.is_some();
    let page = Page::new(Path::new(page::PATH), settings.site.clone(), serving);
    let plan = plan::build(&Inputs { settings, facts, secrets });
    let trace = trace.map(|path| (path, Trace::of(&plan)));
    let mut renderers: Vec<Box<dyn Renderer>> =
        vec![Box::new(Journal::open(Path::new(journal::PATH))?), Box::new(Made::open(Path::new(made::PATH))?), Box::new(page)];
    renderers.extend(trace.as_ref().map(|(_, trace)| Box::new(trace.clone()) as Box<dyn Renderer>));
    let (events, stream) = Events::new(Arc::clone(redactor));
    let telling = tokio::spawn(render(stream, renderers));
    for note in notes {
        events.note(note);
    }
    let engine = Engine { host: Arc::new(system.clone()), events, stop, jobs };
    let report = engine.run(plan, Mode::Apply).await;
    drop(engine);
    telling.await.context("the journal could not be ended")?;
    if let Some((path, trace)) = trace
        && let Err(error) = system.write(&path, &trace.to_json(), Access::root(0o600)).await
    {
        // The process that waits for the file says so too.
        log::error!("the trace is lost: {error}");
    }

    let exit = Exit::of_counts(&report.counts);
    if matches!(exit, Exit::Done | Exit::Waiting) {
        succeeded(&system).await?;
    }
    Ok(exit)
}

/// Everything on standard input, up to its end.
fn receive() -> End<Handover> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).context("cannot read the settings from standard input")?;
    let text = SecretString::from(text);
    Handover::read(text.expose_secret()).map_err(Trouble::refused)
}

fn hide(settings: &Settings, redactor: &Redactor) {
    if let Some(token) = &settings.token {
        redactor.hide(token.secret());
    }
    if let Some(smtp) = &settings.smtp {
        redactor.hide(&smtp.password);
    }
}

/// The first signal drains, the second kills. The terminal may close: SIGHUP means nothing here.
pub(super) fn listen(stop: &Stop) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => stop.request(),
                _ = terminate.recv() => stop.request(),
                _ = hangup.recv() => {}
            }
        }
    });
    Ok(())
}

/// The record has everything now, and a restart of the machine needs not go on with anything.
async fn succeeded(system: &System) -> anyhow::Result<()> {
    answers::forget(system).await?;
    if let Err(error) = remember_definitions(system).await {
        log::warn!("the next run asks Compose again: {error:#}");
    }
    if system.stat(Path::new(COMPLETE)).await?.is_none() {
        let text = format!("version = 1\ntootstrap = \"{}\"\nat = \"{:.0}\"\n", env!("CARGO_PKG_VERSION"), jiff::Timestamp::now());
        system.write(Path::new(COMPLETE), text.as_bytes(), Access::root(0o644)).await?;
    }
    Ok(())
}
