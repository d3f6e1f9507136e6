//! What the product asks of a machine ([`Probe`], [`Host`]), answered by the simulated one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use super::super::{
    Access, Account, Answer, BodySink, Cmd, Host, HostError, Kind, News, NewsSink, Output, Probe, Question, RelayTrouble, Request,
    Response, Result, Space, Stat, Trial,
};
use super::{FakeHost, Node};
use crate::run::Stop;

#[async_trait]
impl Probe for FakeHost {
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let machine = self.machine();
        if machine.nodes.get(path).is_some_and(|node| node.kind == Kind::Directory) {
            return Err(HostError::File { action: "read", path: path.to_owned(), source: std::io::ErrorKind::IsADirectory.into() });
        }
        Ok(machine.file(path).map(<[u8]>::to_vec))
    }

    async fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        Ok(self.machine().nodes.get(path).map(Node::stat))
    }

    async fn list(&self, dir: &Path) -> Result<Vec<String>> {
        Ok(self.machine().children(dir))
    }

    async fn space(&self, _path: &Path) -> Result<Space> {
        Ok(self.machine().space)
    }

    async fn account(&self, name: &str) -> Result<Option<Account>> {
        Ok(self.machine().accounts.iter().find(|account| account.name == name).cloned())
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        Ok(self.machine().accounts.clone())
    }

    async fn hostname(&self) -> Result<String> {
        Ok(self.machine().hostname.clone())
    }

    async fn which(&self, program: &str) -> Option<PathBuf> {
        self.machine().has_program(program).then(|| Path::new("/usr/bin").join(program))
    }

    async fn query(&self, cmd: &Cmd) -> Result<Output> {
        let mut machine = self.machine();
        let before = machine.clone();
        let reply = Self::simulate(&mut machine, cmd)?;
        if reply.changes {
            *machine = before;
            return Err(HostError::Refused(format!("`{cmd}` changes the machine: use run, not query")));
        }
        Ok(reply.output)
    }

    async fn get(&self, request: &Request) -> Result<Response> {
        if !request.safe {
            return Err(HostError::Refused(format!("{:?} changes the world: use send, not get", request.method)));
        }
        Self::exchange(&mut self.machine(), request)
    }

    async fn dns(&self, question: &Question) -> Result<Answer> {
        Ok(self.machine().answer(question))
    }

    async fn lock_holder(&self, path: &Path) -> Result<Option<i32>> {
        let mut machine = self.machine();
        let Some((holder, looks)) = machine.locks.get_mut(path).filter(|(_, looks)| *looks > 0) else { return Ok(None) };
        *looks -= 1;
        Ok(Some(*holder))
    }

    async fn connects(&self, to: std::net::SocketAddr) -> bool {
        self.machine().listening.contains(&to)
    }

    async fn try_relay(&self, trial: &Trial) -> std::result::Result<(), RelayTrouble> {
        self.machine().relay.as_ref().map_or(Err(RelayTrouble::NoSuchName), |relay| relay.attempt(trial))
    }
}

#[async_trait]
impl Host for FakeHost {
    async fn write(&self, path: &Path, content: &[u8], access: Access) -> Result<()> {
        self.mutate(format!("write {} {:o}", path.display(), access.mode))?.put(path, Kind::File, content, access)
    }

    async fn make_dir(&self, path: &Path, access: Access) -> Result<()> {
        self.mutate(format!("make_dir {} {:o} {}:{}", path.display(), access.mode, access.uid, access.gid))?.put(
            path,
            Kind::Directory,
            b"",
            access,
        )
    }

    async fn set_access(&self, path: &Path, access: Access) -> Result<()> {
        self.mutate(format!("set_access {} {:o} {}:{}", path.display(), access.mode, access.uid, access.gid))?.set_access(path, access)
    }

    async fn remove(&self, path: &Path) -> Result<()> {
        self.mutate(format!("remove {}", path.display()))?.nodes.remove(path);
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.mutate(format!("rename {} {}", from.display(), to.display()))?.rename(from, to)
    }

    async fn allocate(&self, path: &Path, bytes: u64, access: Access) -> Result<()> {
        let mut machine = self.mutate(format!("allocate {} {bytes}", path.display()))?;
        machine.put(path, Kind::File, b"", access)?;
        machine.resize(path, bytes);
        Ok(())
    }

    async fn run(&self, cmd: &Cmd) -> Result<Output> {
        let mut machine = self.mutate(format!("run {cmd}"))?;
        let reply = self.until_killed(&mut machine, cmd)?;
        if reply.output.success() {
            return Ok(reply.output);
        }
        let tail = reply.output.stderr.lines().map(str::to_owned).collect();
        Err(HostError::Failed { command: cmd.to_string(), status: reply.output.status, tail })
    }

    async fn run_into(&self, cmd: &Cmd, path: &Path, access: Access) -> Result<()> {
        let mut machine = self.mutate(format!("run {cmd} > {} {:o}", path.display(), access.mode))?;
        let reply = self.until_killed(&mut machine, cmd)?;
        if reply.output.success() {
            return machine.put(path, Kind::File, reply.output.stdout.as_bytes(), access);
        }
        let tail = reply.output.stderr.lines().map(str::to_owned).collect();
        Err(HostError::Failed { command: cmd.to_string(), status: reply.output.status, tail })
    }

    async fn send(&self, request: &Request) -> Result<Response> {
        let mut machine = if request.safe {
            self.machine()
        } else {
            self.mutate(format!("{} {}", format!("{:?}", request.method).to_uppercase(), request.url))?
        };
        Self::exchange(&mut machine, request)
    }

    /// In small pieces, which end anywhere.
    async fn stream(&self, request: &Request, body: BodySink<'_>) -> Result<Response> {
        let answer = self.send(request).await?;
        if !answer.success() {
            return Ok(answer);
        }
        let _heard_enough = answer.body.chunks(7).try_for_each(body);
        Ok(Response { body: Vec::new(), ..answer })
    }

    async fn pause(&self, time: Duration) -> Result<()> {
        self.stop.pause(time).await
    }

    fn tell(&self, news: News<'_>) {
        match news {
            News::Line(line) => self.machine().log.push(format!("say {line}")),
            News::Progress(progress) => self.machine().progress.push(progress),
        }
    }

    fn with_news(&self, _news: NewsSink) -> Box<dyn Host> {
        Box::new(self.clone())
    }

    fn unstoppable(&self) -> Box<dyn Host> {
        Box::new(Self { stop: Stop::default(), ..self.clone() })
    }

    fn probe(&self) -> &dyn Probe {
        self
    }
}
