//! A host that tells how long its commands, requests and questions take, for one step.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::spans::Spans;
use crate::host::{
    Access, Account, Answer, BodySink, Cmd, Host, News, NewsSink, Output, Probe, Question, RelayTrouble, Request, Response, Result, Space,
    Stat, Trial,
};
use crate::report::Part;

/// The same machine, watched.
#[derive(Clone)]
pub(super) struct Watched {
    host: Arc<dyn Host>,
    spans: Spans,
}

impl Watched {
    /// This machine, as a step sees it.
    pub(super) fn new(host: Arc<dyn Host>, spans: Spans) -> Self {
        Self { host, spans }
    }
}

#[async_trait]
impl Probe for Watched {
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.host.read(path).await
    }

    async fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.host.stat(path).await
    }

    async fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.host.list(dir).await
    }

    async fn space(&self, path: &Path) -> Result<Space> {
        self.host.space(path).await
    }

    async fn account(&self, name: &str) -> Result<Option<Account>> {
        self.host.account(name).await
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        self.host.accounts().await
    }

    async fn hostname(&self) -> Result<String> {
        self.host.hostname().await
    }

    async fn which(&self, program: &str) -> Option<PathBuf> {
        self.host.which(program).await
    }

    async fn same_content(&self, one: &Path, other: &Path) -> Result<bool> {
        self.host.same_content(one, other).await
    }

    async fn query(&self, cmd: &Cmd) -> Result<Output> {
        self.spans.time(Part::Command, &cmd.to_string(), self.host.query(cmd)).await
    }

    async fn get(&self, request: &Request) -> Result<Response> {
        self.spans.time(Part::Request, &request.to_string(), self.host.get(request)).await
    }

    async fn dns(&self, question: &Question) -> Result<Answer> {
        self.spans.time(Part::Lookup, &question.to_string(), self.host.dns(question)).await
    }

    async fn lock_holder(&self, path: &Path) -> Result<Option<i32>> {
        self.host.lock_holder(path).await
    }

    async fn connects(&self, to: SocketAddr) -> bool {
        self.host.connects(to).await
    }

    async fn try_relay(&self, trial: &Trial) -> std::result::Result<(), RelayTrouble> {
        self.host.try_relay(trial).await
    }
}

#[async_trait]
impl Host for Watched {
    async fn write(&self, path: &Path, content: &[u8], access: Access) -> Result<()> {
        self.host.write(path, content, access).await
    }

    async fn make_dir(&self, path: &Path, access: Access) -> Result<()> {
        self.host.make_dir(path, access).await
    }

    async fn set_access(&self, path: &Path, access: Access) -> Result<()> {
        self.host.set_access(path, access).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.host.remove(path).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.host.rename(from, to).await
    }

    async fn allocate(&self, path: &Path, bytes: u64, access: Access) -> Result<()> {
        self.host.allocate(path, bytes, access).await
    }

    async fn run(&self, cmd: &Cmd) -> Result<Output> {
        self.spans.time(Part::Command, &cmd.to_string(), self.host.run(cmd)).await
    }

    async fn run_into(&self, cmd: &Cmd, path: &Path, access: Access) -> Result<()> {
        self.spans.time(Part::Command, &cmd.to_string(), self.host.run_into(cmd, path, access)).await
    }

    async fn send(&self, request: &Request) -> Result<Response> {
        self.spans.time(Part::Request, &request.to_string(), self.host.send(request)).await
    }

    async fn stream(&self, request: &Request, body: BodySink<'_>) -> Result<Response> {
        self.spans.time(Part::Request, &request.to_string(), self.host.stream(request, body)).await
    }

    async fn pause(&self, time: Duration) -> Result<()> {
        self.host.pause(time).await
    }

    fn tell(&self, news: News<'_>) {
        self.host.tell(news);
    }

    fn with_news(&self, news: NewsSink) -> Box<dyn Host> {
        Box::new(Self { host: Arc::from(self.host.with_news(news)), ..self.clone() })
    }

    fn unstoppable(&self) -> Box<dyn Host> {
        Box::new(Self { host: Arc::from(self.host.unstoppable()), ..self.clone() })
    }

    fn probe(&self) -> &dyn Probe {
        self
    }
}
