//! A machine, and a world around it, that answer with the parts of one input.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tootstrap::host::{
    Access, Account, Answer, BodySink, Cmd, Host, HostError, Kind, News, NewsSink, Output, Probe, Question, RelayTrouble, Request,
    Response, Result, Space, Stat, Trial,
};

use super::answers;

/// Between two parts of an input.
pub const PART: &str = "\n%%\n";
/// Between the answers to the same question, one after the other; the last one stays.
pub const NEXT: &str = "\n~~\n";

/// More questions than this about one thing are a loop without end.
const MOST: usize = 20_000;

/// Every part of the input answers the questions that begin with its slot: `file /etc/fstab`, `list /etc/apt`, `run docker ps`,
/// `http https://api.linode.com/v4/domains`, `dns`, `accounts`, `hostname`. A part that is missing, or only `-`, means that the thing is not
/// there. A command's part that begins with `!` is what it prints on standard error before it fails.
#[derive(Clone)]
pub struct Machine {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Vec<Part>,
    state: Mutex<State>,
}

struct Part {
    slot: &'static str,
    /// One after the other.
    answers: Vec<Vec<u8>>,
}

impl Part {
    /// The slot of one file is its whole path, that of several the beginning of theirs.
    fn is_about(&self, question: &str) -> bool {
        let one_thing = self.slot.starts_with("file /") && !self.slot.ends_with(['/', '-']);
        if one_thing { question == self.slot } else { question.starts_with(self.slot) }
    }
}

#[derive(Default)]
struct State {
    /// How often each slot was asked.
    asked: BTreeMap<&'static str, usize>,
    questions: usize,
    written: BTreeMap<PathBuf, Option<Vec<u8>>>,
    log: Vec<String>,
}

impl Machine {
    /// The input, cut into parts for these slots.
    pub fn new(input: &[u8], slots: &[&'static str]) -> Self {
        let answers = |part| split(part, NEXT.as_bytes()).map(<[u8]>::to_vec).collect();
        let parts = slots.iter().zip(split(input, PART.as_bytes())).map(|(slot, part)| Part { slot, answers: answers(part) }).collect();
        Self { inner: Arc::new(Inner { parts, state: Mutex::default() }) }
    }

    /// A file is there from the beginning.
    pub fn place(&self, path: &str, content: &[u8]) {
        self.state().written.insert(path.into(), Some(content.to_vec()));
    }

    /// What was changed so far, in order.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// The first answer of the part for a slot, if there is one.
    pub fn part(&self, slot: &str) -> Option<&[u8]> {
        let part = self.inner.parts.iter().find(|part| part.slot == slot)?;
        part.answers.first().map(Vec::as_slice).filter(|part| *part != b"-")
    }

    /// The part for a slot as text; empty if there is none.
    pub fn text(&self, slot: &str) -> String {
        self.part(slot).map(|part| String::from_utf8_lossy(part).into_owned()).unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question, in its turn.
    fn answer(&self, question: &str) -> Option<&[u8]> {
        let mut state = self.state();
        state.questions += 1;
        assert!(state.questions < MOST, "asked without end, last: {question}");
        let part = self.inner.parts.iter().find(|part| part.is_about(question))?;
        let turn = state.asked.entry(part.slot).or_default();
        // Files do not change by themselves.
        *turn = if part.slot.starts_with("file ") { 1 } else { *turn + 1 };
        part.answers.get(*turn - 1).or(part.answers.last()).map(Vec::as_slice).filter(|answer| *answer != b"-")
    }

    fn file(&self, path: &Path) -> Option<Vec<u8>> {
        if let Some(written) = self.state().written.get(path) {
            return written.clone();
        }
        let path = path.display().to_string();
        // A slot of several files has them all; that every name beside one is taken too happens nowhere.
        if path.contains(".former") {
            return None;
        }
        self.answer(&format!("file {path}")).map(<[u8]>::to_vec)
    }

    fn change(&self, what: String) {
        self.state().log.push(what);
    }

    fn output(&self, cmd: &Cmd) -> Result<Output> {
        let answer = self.answer(&format!("run {cmd}")).ok_or_else(|| HostError::Missing { program: cmd.argv()[0].to_owned() })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match answer.strip_prefix(b"!") {
            Some(rest) => Output { status: 1, stdout: String::new(), stderr: text(rest) },
            None => Output { status: 0, stdout: text(answer), stderr: String::new() },
        })
    }

    fn exchange(&self, request: &Request) -> Result<Response> {
        let question = format!("http {}", request.url);
        let refused = |reason: &str, perhaps_done| HostError::Http {
            url: request.url.clone(),
            reason: reason.into(),
            perhaps_done,
            untrusted: false,
        };
        let Some(answer) = self.answer(&question) else { return Err(refused("connection refused", false)) };
        answers::response(answer).ok_or_else(|| refused("time-out", true))
    }
}

/// The pieces between the separators.
fn split<'a>(text: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == separator[0]).map(|(at, _)| at);
        let end = ends.into_iter().find(|at| text[*at..].starts_with(separator));
        rest = end.map(|end| &text[end + separator.len()..]);
        Some(end.map_or(text, |end| &text[..end]))
    })
}

#[async_trait]
impl Probe for Machine {
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        Ok(self.file(path))
    }

    async fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let is = |kind, size| Stat { kind, mode: if kind == Kind::File { 0o600 } else { 0o755 }, uid: 0, gid: 0, size };
        if self.inner.parts.iter().any(|part| part.slot.strip_prefix("list ").is_some_and(|dir| Path::new(dir) == path)) {
            return Ok(Some(is(Kind::Directory, 4096)));
        }
        if path == Path::new("/opt/mastodon") || path == Path::new("/etc/tootstrap") {
            return Ok(Some(is(Kind::Directory, 4096)));
        }
        Ok(self.file(path).map(|content| is(Kind::File, content.len() as u64)))
    }

    async fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let answer = self.answer(&format!("list {}", dir.display())).unwrap_or_default();
        let text = String::from_utf8_lossy(answer);
        // A name has neither of these.
        Ok(text.lines().filter(|name| !name.is_empty() && !name.contains(['/', '\0'])).map(str::to_owned).collect())
    }

    async fn space(&self, _path: &Path) -> Result<Space> {
        Ok(Space { free: 20 << 30, total: 40 << 30, files: 2 << 20, files_free: 1 << 20 })
    }

    async fn account(&self, name: &str) -> Result<Option<Account>> {
        Ok(answers::accounts(&self.text("accounts")).into_iter().find(|account| account.name == name))
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        Ok(answers::accounts(&self.text("accounts")))
    }

    async fn hostname(&self) -> Result<String> {
        Ok(self.text("hostname"))
    }

    async fn which(&self, program: &str) -> Option<PathBuf> {
        let without = self.text("without");
        (!without.split_whitespace().any(|absent| absent == program)).then(|| Path::new("/usr/bin").join(program))
    }

    async fn query(&self, cmd: &Cmd) -> Result<Output> {
        self.output(cmd)
    }

    async fn get(&self, request: &Request) -> Result<Response> {
        self.exchange(request)
    }

    async fn dns(&self, question: &Question) -> Result<Answer> {
        let silent = || HostError::Dns { name: question.name.clone(), server: "a server".into(), reason: "no reply".into() };
        let mut state = self.state();
        state.questions += 1;
        assert!(state.questions < MOST, "asked without end, last: {question:?}");
        drop(state);
        answers::dns(&self.text("dns"), question).ok_or_else(silent)
    }

    async fn lock_holder(&self, _path: &Path) -> Result<Option<i32>> {
        Ok(None)
    }

    async fn connects(&self, to: SocketAddr) -> bool {
        self.text("reachable").lines().any(|line| line == to.to_string())
    }

    /// No target asks a relay; what one says is read by the target `wire`.
    async fn try_relay(&self, _trial: &Trial) -> std::result::Result<(), RelayTrouble> {
        Err(RelayTrouble::Silent)
    }
}

#[async_trait]
impl Host for Machine {
    async fn write(&self, path: &Path, content: &[u8], access: Access) -> Result<()> {
        self.change(format!("write {} {:o}", path.display(), access.mode));
        self.state().written.insert(path.to_owned(), Some(content.to_vec()));
        Ok(())
    }

    async fn make_dir(&self, path: &Path, _access: Access) -> Result<()> {
        self.change(format!("make_dir {}", path.display()));
        Ok(())
    }

    async fn set_access(&self, path: &Path, _access: Access) -> Result<()> {
        self.change(format!("set_access {}", path.display()));
        Ok(())
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.change(format!("remove {}", path.display()));
        self.state().written.insert(path.to_owned(), None);
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.change(format!("rename {} {}", from.display(), to.display()));
        let content = self.file(from);
        let mut state = self.state();
        state.written.insert(to.to_owned(), content);
        state.written.insert(from.to_owned(), None);
        Ok(())
    }

    async fn allocate(&self, path: &Path, bytes: u64, _access: Access) -> Result<()> {
        self.change(format!("allocate {} {bytes}", path.display()));
        Ok(())
    }

    async fn run(&self, cmd: &Cmd) -> Result<Output> {
        self.change(format!("run {cmd}"));
        let output = self.output(cmd)?;
        if output.success() {
            return Ok(output);
        }
        let tail = output.stderr.lines().map(str::to_owned).collect();
        Err(HostError::Failed { command: cmd.to_string(), status: output.status, tail })
    }

    async fn run_into(&self, cmd: &Cmd, path: &Path, _access: Access) -> Result<()> {
        let output = self.run(cmd).await?;
        self.state().written.insert(path.to_owned(), Some(output.stdout.into_bytes()));
        Ok(())
    }

    async fn send(&self, request: &Request) -> Result<Response> {
        self.change(format!("send {:?} {}", request.method, request.url));
        self.exchange(request)
    }

    async fn stream(&self, request: &Request, body: BodySink<'_>) -> Result<Response> {
        let answer = self.send(request).await?;
        if answer.success() {
            let _heard_enough = answer.body.chunks(7).try_for_each(body);
        }
        Ok(answer)
    }

    async fn pause(&self, time: Duration) -> Result<()> {
        tokio::time::sleep(time).await;
        Ok(())
    }

    fn tell(&self, _news: News<'_>) {}

    fn with_news(&self, _news: NewsSink) -> Box<dyn Host> {
        Box::new(self.clone())
    }

    fn unstoppable(&self) -> Box<dyn Host> {
        Box::new(self.clone())
    }

    fn probe(&self) -> &dyn Probe {
        self
    }
}
