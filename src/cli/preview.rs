//! Comparing the machine with what is wanted, in this process, without changing anything.

use std::sync::Arc;

use super::downloads;
use crate::facts::Facts;
use crate::host::system::System;
use crate::plan::{self, Inputs};
use crate::report::{Event, Events, Redactor, Renderer, render};
use crate::run::{Engine, Mode, Report, Stop};
use crate::secrets::{self, Secrets};
use crate::settings::Accepted;

/// What one preview is about.
pub(super) struct Preview {
    pub(super) system: System,
    pub(super) facts: Facts,
    pub(super) accepted: Accepted,
    pub(super) redactor: Arc<Redactor>,
    pub(super) jobs: usize,
    /// Registries and apt are asked how much there is to download.
    pub(super) downloads: bool,
}

impl Preview {
    /// Checks every step and tells the events.
    pub(super) async fn run(self, renderers: Vec<Box<dyn Renderer>>) -> anyhow::Result<Report> {
        // On a bare machine nothing knows the secrets yet, nor a new sudo user's password: any will do to compare with.
        let mut secrets = match secrets::load(&self.system).await? {
            Some(secrets) => secrets,
            None => Secrets::generate()?,
        };
        if let Some(name) = &self.accepted.settings.sudo_user {
            secrets.add_sudo_user(name)?;
        }
        for secret in secrets.all() {
            self.redactor.hide(secret);
        }
        let (events, stream) = Events::new(self.redactor);
        let telling = tokio::spawn(render(stream, renderers));
        for note in self.accepted.notes {
            events.note(note);
        }
        let inputs = Inputs { settings: self.accepted.settings, facts: self.facts, secrets };
        if self.downloads
            && let Some(event) = downloads::look(&self.system, &inputs).await
        {
            events.emit(event);
        }
        let plan = plan::build(&inputs);
        let engine = Engine { host: Arc::new(self.system), events, stop: Stop::default(), jobs: self.jobs };
        let report = engine.run(plan, Mode::Preview).await;
        // The stream ends when its last entrance is gone.
        drop(engine);
        telling.await?;
        Ok(report)
    }
}

/// Forgets everything: for those who only want the report.
pub(super) struct Silent;

impl Renderer for Silent {
    fn event(&mut self, _event: &Event) -> std::io::Result<()> {
        Ok(())
    }
}
