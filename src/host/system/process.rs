//! Commands: a process group of their own, a clean environment, an end in time.

#![expect(clippy::disallowed_methods, reason = "this is the door through which commands are started")]

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::super::{Cmd, HostError, NewsSink, Output, Result, Stdin};
use super::PATH;
use super::lines::{Lines, Splitter, lock};
use crate::run::Stop;

/// Between asking a group to end and ending it.
const GRACE: Duration = Duration::from_secs(5);

/// How long output is still read after the command itself has ended: a daemon that it started may hold the pipe open for ever.
const AFTERGLOW: Duration = Duration::from_secs(2);

/// A command that ended by itself.
pub(super) struct Finished {
    pub(super) output: Output,
    /// The last lines of both streams, oldest first.
    pub(super) tail: Vec<String>,
}

impl Finished {
    /// What it printed, if it exited 0.
    pub(super) fn succeeded(self, cmd: &Cmd) -> Result<Output> {
        if self.output.success() {
            return Ok(self.output);
        }
        Err(HostError::Failed { command: cmd.to_string(), status: self.output.status, tail: self.tail })
    }
}

/// The full path of a program.
pub(super) fn find(program: &str) -> Result<PathBuf> {
    which::which_in(program, Some(PATH), "/").map_err(|_| HostError::Missing { program: program.into() })
}

/// Runs a command to its end, its limit or the end of the run. `into` takes its standard output, which is then not kept here.
pub(super) async fn finish(cmd: &Cmd, stop: &Stop, sink: Option<NewsSink>, into: Option<File>) -> Result<Finished> {
    let spawn_error = |source| HostError::Spawn { command: cmd.to_string(), source };
    let mut command = command(cmd)?;
    if let Some(file) = into {
        command.stdout(file);
    }
    let mut child = command.spawn().map_err(spawn_error)?;
    // It holds the file as long as it lives.
    drop(command);
    let lines = Lines::new(sink);
    let (out, err) = (Stream::start(child.stdout.take(), &lines), Stream::start(child.stderr.take(), &lines));
    let feeding = cmd.text().cloned().zip(child.stdin.take()).map(|(content, pipe)| tokio::spawn(feed(pipe, content)));

    let ended = tokio::select! {
        status = child.wait() => Ok(status.map_err(spawn_error)?),
        () = sleep(cmd.timeout) => Err(true),
        () = stop.kill() => Err(false),
    };
    let Ok(status) = ended else {
        end(&mut child).await;
        let _ends = (out.end().await, err.end().await);
        let too_long = HostError::TimedOut { command: cmd.to_string(), after: cmd.timeout, tail: lines.last() };
        return Err(if ended == Err(true) { too_long } else { HostError::Stopped });
    };
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    let (stdout, stderr) = tokio::join!(out.end(), err.end());
    Ok(Finished { output: Output { status: code(status), stdout, stderr }, tail: lines.last() })
}

fn command(cmd: &Cmd) -> Result<Command> {
    let mut command = Command::new(find(&cmd.program)?);
    command.args(&cmd.args).env_clear();
    command.envs([("PATH", PATH), ("LANG", "C.UTF-8"), ("HOME", "/root"), ("DEBIAN_FRONTEND", "noninteractive")]);
    command.envs(cmd.env.iter().map(|(name, value)| (name, value)));
    command.stdin(match &cmd.stdin {
        Stdin::Empty => Stdio::null(),
        Stdin::Text(_) => Stdio::piped(),
        Stdin::File(path) => File::open(path).map_err(|source| HostError::File { action: "read", path: path.clone(), source })?.into(),
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.current_dir("/").process_group(0).kill_on_drop(true);
    Ok(command)
}

/// A command that does not read all of it closes the pipe; that is its right.
async fn feed(mut pipe: ChildStdin, content: SecretString) {
    if let Err(error) = pipe.write_all(content.expose_secret().as_bytes()).await {
        log::debug!("standard input was not read to its end: {error}");
    }
}

/// Asks the whole group to end, then ends it.
async fn end(child: &mut Child) {
    let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw) else { return };
    signal(group, Signal::SIGTERM);
    if timeout(GRACE, child.wait()).await.is_err() {
        log::warn!("process group {group} did not end when asked to");
    }
    // Also what the command itself left running in its group.
    signal(group, Signal::SIGKILL);
    if let Err(error) = child.wait().await {
        log::warn!("process {group} could not be awaited: {error}");
    }
}

fn signal(group: Pid, signal: Signal) {
    match killpg(group, signal) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(errno) => log::warn!("cannot send {signal} to process group {group}: {errno}"),
    }
}

/// 128 + n after signal n, as shells count.
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// One stream being read.
struct Stream {
    all: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Stream {
    fn start(pipe: Option<impl AsyncRead + Send + Unpin + 'static>, lines: &Lines) -> Self {
        let all: Arc<Mutex<Vec<u8>>> = Arc::default();
        let splitter = Splitter::new(lines.clone(), Arc::clone(&all));
        Self { all, reading: pipe.map(|pipe| tokio::spawn(read(pipe, splitter))) }
    }

    /// What was read in all.
    async fn end(self) -> String {
        if let Some(mut reading) = self.reading
            && timeout(AFTERGLOW, &mut reading).await.is_err()
        {
            reading.abort();
        }
        String::from_utf8_lossy(&lock(&self.all)).into_owned()
    }
}

async fn read(mut pipe: impl AsyncRead + Unpin, mut splitter: Splitter) {
    let mut buffer = vec![0; 8 << 10];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) => return,
            Ok(count) => splitter.feed(&buffer[..count]),
            Err(error) => {
                log::warn!("cannot read the output of a command: {error}");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::super::News;
    use super::*;

    fn shell(script: &str) -> Cmd {
        Cmd::new("sh").args(["-c", script])
    }

    async fn run(cmd: &Cmd) -> Result<Finished> {
        finish(cmd, &Stop::default(), None, None).await
    }

    #[tokio::test]
    async fn the_environment_is_ours_alone() {
        let finished = run(&Cmd::new("env").env("EXTRA", "1")).await.unwrap();
        let mut names: Vec<_> = finished.output.stdout.lines().map(|line| line.split('=').next().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["DEBIAN_FRONTEND", "EXTRA", "HOME", "LANG", "PATH"]);
    }

    #[tokio::test]
    async fn standard_input_is_empty_or_what_was_given() {
        assert_eq!(run(&Cmd::new("cat")).await.unwrap().output.stdout, "");
        assert_eq!(run(&Cmd::new("cat").stdin("a\nb".into())).await.unwrap().output.stdout, "a\nb");
        let unread = Cmd::new("true").stdin("x".repeat(1 << 20).into());
        assert!(run(&unread).await.unwrap().output.success());
    }

    #[tokio::test]
    async fn status_and_last_lines_are_kept() {
        let finished = run(&shell("echo out; echo err >&2; exit 7")).await.unwrap();
        assert_eq!(finished.output, Output { status: 7, stdout: "out\n".into(), stderr: "err\n".into() });
        let mut tail = finished.tail;
        tail.sort();
        assert_eq!(tail, ["err", "out"]);
        assert_eq!(run(&shell("kill -9 $$")).await.unwrap().output.status, 137);
    }

    #[tokio::test]
    async fn lines_stream_while_it_runs() {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = Arc::clone(&seen);
        let sink: NewsSink = Arc::new(move |news| lock(&sink).push(format!("{news:?}")));
        finish(&shell(r"printf 'one\rtwo\nthree'"), &Stop::default(), Some(sink), None).await.unwrap();
        assert_eq!(*lock(&seen), ["one", "two", "three"].map(|line| format!("{:?}", News::Line(line))));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_missing() {
        assert!(matches!(run(&Cmd::new("no-such-program")).await, Err(HostError::Missing { program }) if program == "no-such-program"));
    }

    #[tokio::test]
    async fn the_limit_ends_the_whole_group() {
        let began = Instant::now();
        let cmd = shell("echo begun; sleep 60 & echo $!; wait").timeout(Duration::from_millis(300));
        let Err(HostError::TimedOut { tail, .. }) = run(&cmd).await else { panic!("it had to time out") };
        assert_eq!(tail[0], "begun");
        assert!(began.elapsed() < Duration::from_secs(4));
        let grandchild = Pid::from_raw(tail[1].parse().unwrap());
        let gone = || match std::fs::read_to_string(format!("/proc/{grandchild}/stat")) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        for _ in 0..50 {
            if gone() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("the grandchild still runs");
    }

    #[tokio::test]
    async fn a_daemon_that_keeps_the_pipe_does_not_hold_us() {
        let began = Instant::now();
        let finished = run(&shell("setsid sleep 8 & echo started")).await.unwrap();
        assert_eq!(finished.output.stdout, "started\n");
        assert!(began.elapsed() < Duration::from_secs(6));
    }

    #[tokio::test]
    async fn the_first_signal_waits_and_the_second_kills() {
        let stop = Stop::default();
        stop.request();
        assert!(finish(&shell("sleep 0.1"), &stop, None, None).await.is_ok());
        let second = stop.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(100)).await;
            second.request();
        });
        assert!(matches!(finish(&shell("sleep 60"), &stop, None, None).await, Err(HostError::Stopped)));
    }
}
