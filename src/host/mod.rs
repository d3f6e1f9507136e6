//! The only door to the machine.
//!
//! [`Probe`] can only look; [`Host`] can also change. A resource's `check` is given the first and its `apply` the second, so a
//! preview cannot change anything: it does not compile. [`system`] is the real machine, [`fake`] a small simulated Debian for tests.

mod command;
mod error;
#[cfg(test)]
pub mod fake;
mod http;
mod news;
mod smtp;
pub mod system;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

pub(crate) use command::Stdin;
pub use command::{Cmd, Output};
pub use error::HostError;
pub use http::{Body, Method, Request, Response};
pub use news::{News, NewsSink, Phase, Progress};
pub use smtp::{RelayTrouble, Reply, Stage, Trial};

/// Result of anything asked of the machine.
pub type Result<T> = std::result::Result<T, HostError>;

/// What a path is, without following a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File, directory, link or something else.
    pub kind: Kind,
    /// Permission bits, for example `0o600`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
}

/// Kind of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// An account of this machine, from `/etc/passwd` and `/etc/group` (no network directory).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Numeric id.
    pub uid: u32,
    /// Numeric id of the primary group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
    /// Names of every group, the primary one included.
    pub groups: Vec<String>,
}

/// Free and total space of the file system that holds a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes that root can still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that can still be made (inodes).
    pub files_free: u64,
    /// Files in all; 0 where the file system has no such limit.
    pub files: u64,
}

/// Who may do what with a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits, in force from the moment the file exists.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Access {
    /// Root's, with these permission bits.
    pub const fn root(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0 }
    }
}

/// Record types that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Canonical name.
    Cname,
    /// Mail exchanger.
    Mx,
    /// Name server.
    Ns,
    /// Start of authority.
    Soa,
    /// Delegation signer.
    Ds,
    /// Certification authority authorization.
    Caa,
    /// Text.
    Txt,
}

/// One question to a name server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Which server: `None` is the machine's own resolver (recursion desired), `Some` is asked without recursion.
    pub server: Option<IpAddr>,
    /// Absolute name without the final dot, lower case.
    pub name: String,
    /// Record type.
    pub kind: RecordType,
}

/// Type, name and server.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", format!("{:?}", self.kind).to_uppercase(), self.name)?;
        self.server.map_or(Ok(()), |server| write!(f, " at {server}"))
    }
}

/// One resource record, its data as text: an address, a name (lower case, no final dot), `10 mail.example.org` for MX.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Owner name, lower case, no final dot.
    pub name: String,
    /// Record type.
    pub kind: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// Data as text.
    pub data: String,
}

/// What a name server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The name does not exist at all (NXDOMAIN).
    pub no_such_name: bool,
    /// Any other failure code, as text (`SERVFAIL`, `REFUSED`).
    pub failure: Option<String>,
    /// The server is an authority for the name.
    pub authoritative: bool,
    /// Answer section.
    pub answers: Vec<Record>,
    /// Authority section: a referral's name servers, or the SOA of a negative answer.
    pub authority: Vec<Record>,
    /// Additional section: addresses of the name servers.
    pub additional: Vec<Record>,
}

/// Looking at the machine and at the world, without changing either.
#[async_trait]
pub trait Probe: Send + Sync {
    /// The content of a file, links followed. `None`: there is none.
    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>>;
    /// What stands at a path, a link not followed. `None`: nothing.
    async fn stat(&self, path: &Path) -> Result<Option<Stat>>;
    /// Names in a directory, sorted. Empty if there is no such directory.
    async fn list(&self, dir: &Path) -> Result<Vec<String>>;
    /// Space of the file system that holds `path` (or its nearest existing parent).
    async fn space(&self, path: &Path) -> Result<Space>;
    /// An account by name.
    async fn account(&self, name: &str) -> Result<Option<Account>>;
    /// Every account of the machine.
    async fn accounts(&self) -> Result<Vec<Account>>;
    /// The hostname of the running system.
    async fn hostname(&self) -> Result<String>;
    /// The full path of a program. `None`: not installed.
    async fn which(&self, program: &str) -> Option<PathBuf>;
    /// Runs a command that only reads. A non-zero exit is not an error here: look at [`Output::status`].
    async fn query(&self, cmd: &Cmd) -> Result<Output>;
    /// Sends a request that only reads. Any status is an answer; only a failed exchange is an error.
    async fn get(&self, request: &Request) -> Result<Response>;
    /// Asks a name server.
    async fn dns(&self, question: &Question) -> Result<Answer>;
    /// The process that holds a POSIX lock on this file (`F_GETLK`), another than this one. `None`: nobody, or there is no such file.
    async fn lock_holder(&self, path: &Path) -> Result<Option<i32>>;
    /// Whether something accepts TCP connections there within three seconds.
    async fn connects(&self, to: SocketAddr) -> bool;
    /// Tries a mail relay: signs in and asks whether it accepts sender and recipient, and sends nothing.
    async fn try_relay(&self, trial: &Trial) -> std::result::Result<(), RelayTrouble>;

    /// Whether both are files of the same content, links followed. The real machine does not hold them in memory.
    async fn same_content(&self, one: &Path, other: &Path) -> Result<bool> {
        let (one, other) = (self.read(one).await?, self.read(other).await?);
        Ok(one.is_some() && one == other)
    }

    /// [`Probe::read`] as text; what is not UTF-8 is an error.
    async fn read_text(&self, path: &Path) -> Result<Option<String>> {
        match self.read(path).await? {
            None => Ok(None),
            Some(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| HostError::NotText { path: path.to_owned() }),
        }
    }
}

/// Changing the machine and the world.
#[async_trait]
pub trait Host: Probe {
    /// Writes a whole file: temporary file in the same directory with the right owner and mode from the start, fsync, rename, fsync
    /// of the directory. The directory must exist.
    async fn write(&self, path: &Path, content: &[u8], access: Access) -> Result<()>;
    /// Makes a directory (parents must exist) or gives an existing one this owner and mode.
    async fn make_dir(&self, path: &Path, access: Access) -> Result<()>;
    /// Gives an existing file this owner and mode.
    async fn set_access(&self, path: &Path, access: Access) -> Result<()>;
    /// Removes a file or link. Nothing there is fine.
    async fn remove(&self, path: &Path) -> Result<()>;
    /// Renames within a file system.
    async fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Makes a file of this many bytes whose blocks are really allocated (swap).
    async fn allocate(&self, path: &Path, bytes: u64, access: Access) -> Result<()>;
    /// Runs a command that may change things. A non-zero exit is [`HostError::Failed`].
    async fn run(&self, cmd: &Cmd) -> Result<Output>;
    /// [`Host::run`], with standard output going into a file that is written as by [`Host::write`]: whole, or not at all.
    async fn run_into(&self, cmd: &Cmd, path: &Path, access: Access) -> Result<()>;
    /// Sends any request.
    async fn send(&self, request: &Request) -> Result<Response>;
    /// [`Host::send`] for an answer that takes as long as it takes: the body of a success is given to `body` piece by piece as it comes, and
    /// the request's limit holds for each silence. Ends with [`HostError::Stopped`] when commands are killed; the connection is closed then.
    async fn stream(&self, request: &Request, body: BodySink<'_>) -> Result<Response>;
    /// Waits this long, or until the run is told to stop: then it is [`HostError::Stopped`].
    async fn pause(&self, time: Duration) -> Result<()>;
    /// Reports how things are going.
    fn tell(&self, news: News<'_>);
    /// The same machine, reporting to `news` what is told, and each line that commands print.
    fn with_news(&self, news: NewsSink) -> Box<dyn Host>;
    /// The same machine, which no stop of the run keeps from anything: to bring back what was taken away for a while.
    fn unstoppable(&self) -> Box<dyn Host>;
    /// The looking half.
    fn probe(&self) -> &dyn Probe;
}

/// Takes the pieces of a body. After a break nothing more is read, and the connection is closed.
pub type BodySink<'a> = &'a mut (dyn FnMut(&[u8]) -> ControlFlow<()> + Send);
