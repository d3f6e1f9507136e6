//! Redis' append-only file.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::super::Reply;
use super::{Cmd, Machine};

/// What Redis says as long as its file cannot be read to the end.
pub(super) const TORN: &str = "redis-1  | Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup of your AOF \
     file, then use ./redis-check-aof --fix <filename.manifest>\n";

/// `redis-check-aof` in a container of its own.
pub(super) fn check(machine: &mut Machine, cmd: &Cmd, options: &[&str]) -> Option<Reply> {
    let diff = machine.docker.unreadable;
    let analyzed = format!("AOF analyzed: filename=appendonly.aof.1.incr.aof, size=9000, ok_up_to=50, ok_up_to_line=13, diff={diff}\n");
    match options {
        ["/data/appendonlydir/appendonly.aof.manifest"] => Some(Reply::read(analyzed).status(i32::from(diff > 0), "")),
        ["--fix", "/data/appendonlydir/appendonly.aof.manifest"] => {
            (cmd.text()?.expose_secret() == "y\n").then(|| machine.docker.unreadable = 0)?;
            Some(Reply::changed(analyzed))
        }
        _ => None,
    }
}

/// `cp --archive` of a directory.
pub(super) fn copy(machine: &mut Machine, from: &Path, to: &Path) -> Reply {
    let moved = |path: &PathBuf| path.strip_prefix(from).ok().map(|rest| if rest == Path::new("") { to.to_owned() } else { to.join(rest) });
    let copies: Vec<_> = machine.nodes.iter().filter_map(|(path, node)| Some((moved(path)?, node.clone()))).collect();
    machine.nodes.extend(copies);
    Reply::changed("")
}
