//! Swap.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;

use super::{Drift, Resource, stamp};
use crate::host::{Access, Cmd, Host, HostError, Probe};

const PATH: &str = "/swapfile";
const FSTAB: &str = "/etc/fstab";
const FSTAB_LINE: &str = "/swapfile none swap sw,nofail 0 0";
/// Says that swap was refused since this boot: containers may not have any.
const REFUSED: &str = "swap/refused";

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Space that stays free beside the swap file, for images and the database.
const RESERVE: u64 = 5 * GIB;
/// Less than this is not worth a file.
const SMALLEST: u64 = 256 * MIB;

/// A swap file that brings the machine's swap to a wanted size; what is there already counts (Linode gives 512 MB). Where the machine may
/// not have swap, as in some containers, that is a warning.
pub struct SwapFile {
    wanted: u64,
}

impl SwapFile {
    /// The swap that a machine with this much memory should have, in bytes. `None`: it needs none.
    pub fn for_memory(memory: u64) -> Option<Self> {
        let wanted = match memory {
            ..3_221_225_472 => 2 * GIB,
            3_221_225_472..6_442_450_944 => GIB,
            _ => return None,
        };
        Some(Self { wanted })
    }

    async fn state(&self, host: &dyn Probe) -> anyhow::Result<State> {
        let swaps = host.read_text(Path::new("/proc/swaps")).await?.unwrap_or_default();
        let (ours, others): (Vec<_>, Vec<_>) = swaps.lines().skip(1).filter_map(parse_swap).partition(|(path, _)| *path == PATH);
        let others = others.into_iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(bytes));
        let space = host.space(Path::new("/")).await?;
        let file = host.stat(Path::new(PATH)).await?.map(|stat| stat.size);
        let affordable = (space.free + file.unwrap_or_default()).saturating_sub(RESERVE);
        let size = self.wanted.saturating_sub(others).min(affordable) / (64 * MIB) * (64 * MIB);
        let fstab = host.read_text(Path::new(FSTAB)).await?.unwrap_or_default();
        let in_fstab = fstab.lines().any(|line| line.split_whitespace().next() == Some(PATH));
        Ok(State { size, file, active: !ours.is_empty(), in_fstab, fstab, refused: is_refused(host).await? })
    }
}

/// What is there.
struct State {
    /// Size that our file should have; in bytes.
    size: u64,
    file: Option<u64>,
    active: bool,
    in_fstab: bool,
    fstab: String,
    refused: bool,
}

impl State {
    fn is_needed(&self) -> bool {
        self.active || (self.size >= SMALLEST && !self.refused)
    }
}

/// Path and bytes of a line of `/proc/swaps`.
fn parse_swap(line: &str) -> Option<(&str, u64)> {
    let mut words = line.split_whitespace();
    let path = words.next()?;
    Some((path, words.nth(1)?.parse::<u64>().ok()?.saturating_mul(1024)))
}

async fn is_refused(host: &dyn Probe) -> anyhow::Result<bool> {
    Ok(stamp::read(host, REFUSED).await? == Some(stamp::boot(host).await?))
}

impl fmt::Display for SwapFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swap of {} MB", self.wanted / MIB)
    }
}

#[async_trait]
impl Resource for SwapFile {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let state = self.state(host).await?;
        let mut drift = Drift::none();
        if !state.is_needed() {
            return Ok(drift);
        }
        if !state.active {
            drift.push_do(format!("make and use a swap file of {} MB, {PATH}", state.size / MIB));
        }
        if !state.in_fstab {
            drift.push_do(format!("use {PATH} after each boot ({FSTAB})"));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let state = self.state(host.probe()).await?;
        if !state.active {
            if state.file != Some(state.size) {
                host.allocate(Path::new(PATH), state.size, Access::root(0o600)).await.context("cannot make the swap file")?;
            }
            host.set_access(Path::new(PATH), Access::root(0o600)).await?;
            host.run(&Cmd::new("mkswap").arg(PATH)).await?;
            match host.run(&Cmd::new("swapon").arg(PATH)).await {
                Err(error) if is_forbidden(&error) => return give_up(host, &error).await,
                done => done?,
            };
        }
        if !state.in_fstab {
            let end = if state.fstab.is_empty() || state.fstab.ends_with('\n') { "" } else { "\n" };
            let fstab = format!("{}{end}{FSTAB_LINE}\n", state.fstab);
            host.write(Path::new(FSTAB), fstab.as_bytes(), Access::root(0o644)).await?;
        }
        Ok(())
    }
}

fn is_forbidden(error: &HostError) -> bool {
    let HostError::Failed { tail, .. } = error else { return false };
    tail.iter().any(|line| line.contains("Operation not permitted") || line.contains("Invalid argument"))
}

async fn give_up(host: &dyn Host, error: &HostError) -> anyhow::Result<()> {
    log::warn!("this machine may not have swap, so memory may run short: {error}");
    host.remove(Path::new(PATH)).await?;
    let boot = stamp::boot(host.probe()).await?;
    stamp::write(host, REFUSED, &boot).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::{FakeHost, Machine};
    use crate::resource::testing::converge;

    const NANODE: u64 = 1_014_808 * 1024;

    fn case(arrange: impl Fn(&mut Machine)) -> (FakeHost, SwapFile) {
        let host = FakeHost::debian();
        arrange(&mut host.machine());
        (host, SwapFile::for_memory(NANODE).unwrap())
    }

    #[tokio::test]
    async fn a_nanode_with_linodes_512_mb() {
        let (host, swap) = case(|_| ());
        let log = [
            "allocate /swapfile 1610612736",
            "set_access /swapfile 600 0:0",
            "run mkswap /swapfile",
            "run swapon /swapfile",
            "write /etc/fstab 644",
        ];
        assert_eq!(converge(&host, &swap).await, log);
        assert_eq!(host.machine().text("/etc/fstab"), "/dev/sda / ext4 errors=remount-ro 0 1\n/swapfile none swap sw,nofail 0 0\n");
        assert!(converge(&host, &swap).await.is_empty());
    }

    #[tokio::test]
    async fn enough_swap_or_no_room_need_nothing() {
        let plenty = |m: &mut Machine| {
            m.swap.active.push(("/dev/sdb".into(), 4 << 20));
            m.tell_swaps();
        };
        let (host, swap) = case(plenty);
        assert!(converge(&host, &swap).await.is_empty());
        let (host, swap) = case(|m| m.space.free = 4 << 30);
        assert!(converge(&host, &swap).await.is_empty());
        assert!(SwapFile::for_memory(8 * GIB).is_none());
    }

    #[tokio::test]
    async fn an_interrupted_start_goes_on() {
        let (host, swap) = case(|_| ());
        host.fail_next("run swapon");
        assert!(swap.apply(&host).await.is_err());
        let log = ["set_access /swapfile 600 0:0", "run mkswap /swapfile", "run swapon /swapfile", "write /etc/fstab 644"];
        assert_eq!(converge(&host, &swap).await, log);
    }

    #[tokio::test]
    async fn a_container_that_may_not_swap_is_left_without_until_the_next_boot() {
        let (host, swap) = case(|m| m.swap.forbidden = true);
        let log = converge(&host, &swap).await;
        assert!(log.contains(&"remove /swapfile".to_owned()), "{log:?}");
        assert_eq!(host.machine().text("/etc/fstab"), "/dev/sda / ext4 errors=remount-ro 0 1\n");
        assert!(converge(&host, &swap).await.is_empty());
        host.machine().place("/proc/sys/kernel/random/boot_id", Kind::File, "another\n", 0o444);
        assert!(!swap.check(&host).await.unwrap().is_empty());
    }
}
