//! The real machine. Only here may anything be spawned or written (`clippy.toml` enforces it).

mod accounts;
mod dns;
mod files;
mod foreground;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod lines;
mod process;
mod smtp;
mod web;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Access, Account, Answer, BodySink, Cmd, Host, HostError, News, NewsSink, Output, Probe, Question, RelayTrouble, Request, Response,
    Result, Space, Stat, Trial,
};
pub use foreground::{become_command, hand_on};

use crate::run::Stop;

/// Where programs are looked for, whatever `PATH` this process was given.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long [`Probe::connects`] waits.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// The machine that this program runs on.
#[derive(Clone)]
pub struct System {
    web: Arc<web::Web>,
    stop: Stop,
    news: Option<NewsSink>,
}

impl System {
    /// The machine, whose pauses end when `stop` says drain, and its commands when it says kill.
    pub fn new(stop: Stop) -> Self {
        Self { web: Arc::default(), stop, news: None }
    }
}

#[async_trait]
impl Probe for System {
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        files::blocking(path, files::read).await
    }

    async fn same_content(&self, one: &Path, other: &Path) -> Result<bool> {
        let other = other.to_owned();
        files::blocking(one, move |one| files::same_content(one, &other)).await
    }

    async fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        files::blocking(path, files::stat).await
    }

    async fn list(&self, dir: &Path) -> Result<Vec<String>> {
        files::blocking(dir, files::list).await
    }

    async fn space(&self, path: &Path) -> Result<Space> {
        files::blocking(path, files::space).await
    }

    async fn account(&self, name: &str) -> Result<Option<Account>> {
        Ok(accounts::by_name(name))
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        let passwd = self.read_text(Path::new("/etc/passwd")).await?.unwrap_or_default();
        let group = self.read_text(Path::new("/etc/group")).await?.unwrap_or_default();
        Ok(accounts::all(&passwd, &group))
    }

    async fn hostname(&self) -> Result<String> {
        let unknown = |source: std::io::Error| HostError::File { action: "read", path: "/proc/sys/kernel/hostname".into(), source };
        let name = nix::unistd::gethostname().map_err(|errno| unknown(errno.into()))?;
        Ok(name.to_string_lossy().into_owned())
    }

    async fn which(&self, program: &str) -> Option<PathBuf> {
        process::find(program).ok()
    }

    async fn query(&self, cmd: &Cmd) -> Result<Output> {
        Ok(process::finish(cmd, &self.stop, None, None).await?.output)
    }

    async fn get(&self, request: &Request) -> Result<Response> {
        if !request.safe {
            return Err(HostError::Refused(format!("{:?} {} changes the world: a defect in tootstrap", request.method, request.url)));
        }
        self.web.exchange(request).await
    }

    async fn dns(&self, question: &Question) -> Result<Answer> {
        let resolvers = if question.server.is_some() {
            Vec::new()
        } else {
            let [own, behind] = [dns::RESOLV_CONF, dns::BEHIND_RESOLVED].map(Path::new);
            let (own, behind) = (self.read_text(own).await?, self.read_text(behind).await?);
            dns::resolvers(&own.unwrap_or_default(), &behind.unwrap_or_default())
        };
        dns::ask(question, &resolvers).await
    }

    async fn lock_holder(&self, path: &Path) -> Result<Option<i32>> {
        files::blocking(path, files::lock_holder).await
    }

    async fn connects(&self, to: SocketAddr) -> bool {
        matches!(tokio::time::timeout(CONNECT_LIMIT, tokio::net::TcpStream::connect(to)).await, Ok(Ok(_)))
    }

    async fn try_relay(&self, trial: &Trial) -> std::result::Result<(), RelayTrouble> {
        smtp::attempt(trial).await
    }
}

#[async_trait]
impl Host for System {
    async fn write(&self, path: &Path, content: &[u8], access: Access) -> Result<()> {
        let content = zeroed(content);
        files::blocking(path, move |path| files::write(path, &content, access)).await
    }

    async fn make_dir(&self, path: &Path, access: Access) -> Result<()> {
        files::blocking(path, move |path| files::make_dir(path, access)).await
    }

    async fn set_access(&self, path: &Path, access: Access) -> Result<()> {
        files::blocking(path, move |path| files::set_access(path, access)).await
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        files::blocking(path, files::remove).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let to = to.to_owned();
        files::blocking(from, move |from| files::rename(from, &to)).await
    }

    async fn allocate(&self, path: &Path, bytes: u64, access: Access) -> Result<()> {
        files::blocking(path, move |path| files::allocate(path, bytes, access)).await
    }

    async fn run(&self, cmd: &Cmd) -> Result<Output> {
        process::finish(cmd, &self.stop, self.news.clone(), None).await?.succeeded(cmd)
    }

    async fn run_into(&self, cmd: &Cmd, path: &Path, access: Access) -> Result<()> {
        let (whole, output) = files::blocking(path, move |path| files::begin(path, access)).await?;
        process::finish(cmd, &self.stop, self.news.clone(), Some(output)).await?.succeeded(cmd)?;
        files::blocking(path, move |path| files::complete(whole, path)).await
    }

    async fn send(&self, request: &Request) -> Result<Response> {
        self.web.exchange(request).await
    }

    async fn stream(&self, request: &Request, body: BodySink<'_>) -> Result<Response> {
        tokio::select! {
            answer = self.web.stream(request, body) => answer,
            () = self.stop.kill() => Err(HostError::Stopped),
        }
    }

    async fn pause(&self, time: Duration) -> Result<()> {
        self.stop.pause(time).await
    }

    fn tell(&self, news: News<'_>) {
        if let Some(sink) = &self.news {
            sink(news);
        }
    }

    fn with_news(&self, news: NewsSink) -> Box<dyn Host> {
        Box::new(Self { news: Some(news), ..self.clone() })
    }

    fn unstoppable(&self) -> Box<dyn Host> {
        Box::new(Self { stop: Stop::default(), ..self.clone() })
    }

    fn probe(&self) -> &dyn Probe {
        self
    }
}

/// A copy that is wiped when it is dropped: the content may be a secret.
fn zeroed(content: &[u8]) -> secrecy::SecretSlice<u8> {
    content.to_vec().into()
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::host::Method;

    #[tokio::test]
    async fn what_a_command_prints_fills_a_file_that_is_whole_or_not_there() {
        let host = System::new(Stop::default());
        let dir = tempfile::tempdir().unwrap();
        let (source, path) = (dir.path().join("source"), dir.path().join("dump"));
        let access = Access { mode: 0o600, uid: nix::unistd::getuid().as_raw(), gid: nix::unistd::getgid().as_raw() };
        let binary: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        host.write(&source, &binary, access).await.unwrap();
        host.run_into(&Cmd::new("cat").stdin_file(&source), &path, access).await.unwrap();
        assert_eq!((host.read(&path).await.unwrap().unwrap(), host.stat(&path).await.unwrap().unwrap().mode), (binary.clone(), 0o600));
        let half = Cmd::new("sh").args(["-c", "echo half; echo why >&2; exit 3"]);
        let error = host.run_into(&half, &path, access).await.unwrap_err();
        assert!(matches!(&error, HostError::Failed { status: 3, tail, .. } if tail == &["why"]), "{error}");
        assert_eq!(host.read(&path).await.unwrap().unwrap(), binary, "the former file stays");
        assert_eq!(host.list(dir.path()).await.unwrap(), ["dump", "source"]);
    }

    #[tokio::test]
    async fn a_long_answer_ends_when_commands_are_killed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request = Request::new(Method::Post, format!("http://{}/", listener.local_addr().unwrap()));
        let stop = Stop::default();
        let second = stop.clone();
        stop.request();
        tokio::spawn(async move {
            let _silent = listener.accept().await;
            second.request();
            std::future::pending::<()>().await;
        });
        let answer = System::new(stop).stream(&request, &mut |_| ControlFlow::Continue(())).await;
        assert!(matches!(answer, Err(HostError::Stopped)), "{answer:?}");
    }

    #[tokio::test]
    async fn a_pause_ends_at_the_first_signal() {
        let stop = Stop::default();
        let host = System::new(stop.clone());
        assert!(host.pause(Duration::ZERO).await.is_ok());
        stop.request();
        assert!(matches!(host.with_news(Arc::new(|_| ())).pause(Duration::from_mins(20)).await, Err(HostError::Stopped)));
    }

    #[tokio::test]
    async fn what_is_brought_back_no_signal_stops() {
        let stop = Stop::default();
        let host = System::new(stop.clone());
        stop.request();
        stop.request();
        let cmd = Cmd::new("sleep").arg("0.1");
        assert!(matches!(host.run(&cmd).await, Err(HostError::Stopped)));
        assert!(host.unstoppable().run(&cmd).await.is_ok());
    }
}
