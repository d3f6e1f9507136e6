//! How large everything may be: from memory and processors to processes, threads, buffers and limits. Pure.

use crate::facts::Facts;

const MIB: u64 = 1 << 20;

/// Sizes for one machine. Memory is in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// At most 1 GB: nothing is done side by side that could be done one after the other.
    pub small: bool,
    /// Images that may be pulled at once.
    pub pulls_at_once: usize,
    /// Puma's worker processes (`WEB_CONCURRENCY`); 0 is one process without workers.
    pub web_workers: u32,
    /// Puma's threads a process (`MAX_THREADS`) and its database connections (`DB_POOL`).
    pub web_threads: u32,
    /// Sidekiq's threads (`SIDEKIQ_CONCURRENCY`) and its database connections.
    pub sidekiq_threads: u32,
    /// Database connections of streaming.
    pub streaming_connections: u32,
    /// PostgreSQL's `max_connections`.
    pub max_connections: u32,
    /// PostgreSQL's `shared_buffers`.
    pub shared_buffers: u64,
    /// PostgreSQL's `effective_cache_size`.
    pub effective_cache_size: u64,
    /// PostgreSQL's `maintenance_work_mem`.
    pub maintenance_work_mem: u64,
    /// Redis's `maxmemory`; beyond it writes are refused, which is better than being killed.
    pub redis_memory: u64,
    /// Memory limits of the containers.
    pub limits: Limits,
}

/// Memory limits of the containers in MiB. They are guard rails against a leak, so their sum is more than the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the limit of the container of that name")]
pub struct Limits {
    pub db: u64,
    pub redis: u64,
    pub web: u64,
    pub sidekiq: u64,
    pub streaming: u64,
    pub caddy: u64,
}

impl Sizing {
    /// Sizes for this machine.
    pub fn of(facts: &Facts) -> Self {
        Self::for_machine(facts.memory / MIB, facts.cpus)
    }

    /// Sizes for so many MiB of memory and so many processors.
    ///
    /// A machine sold as 1 GB shows less than 1024 MiB to its system. A Puma worker needs about 400 MiB (mastodon.md §1.6), the rest of
    /// Mastodon and the system about 1300; one worker beside its master serves no more than one process without, which is smaller.
    pub fn for_machine(memory: u64, cpus: u32) -> Self {
        let small = memory <= 1100;
        let room = u32::try_from(memory.saturating_sub(1300) / 400).unwrap_or(u32::MAX);
        let web_workers = match room.min(cpus).min(16) {
            0 | 1 => 0,
            workers => workers,
        };
        let web_threads = if small { 3 } else { 5 };
        let sidekiq_threads = match memory {
            ..=3000 => 5,
            3001..=7000 => 10,
            _ => 25,
        };
        let streaming_connections = if small { 5 } else { 10 };
        let redis = share(memory, 20, 160);
        Self {
            small,
            pulls_at_once: if small { 1 } else { 3 },
            web_workers,
            web_threads,
            sidekiq_threads,
            streaming_connections,
            // 20 for one-off commands, maintenance and PostgreSQL's own reserve.
            max_connections: (web_workers.max(1) * web_threads + sidekiq_threads + streaming_connections + 20).max(50),
            shared_buffers: (memory / 8 / 32 * 32).clamp(64, 4096),
            effective_cache_size: (memory / 2).max(256),
            maintenance_work_mem: (memory / 32).clamp(32, 512),
            redis_memory: redis * 3 / 4,
            limits: Limits {
                db: share(memory, 40, 320),
                redis,
                web: share(memory, 60, 640),
                sidekiq: share(memory, 50, 640),
                streaming: share(memory, 20, 192),
                caddy: share(memory, 15, 160),
            },
        }
    }
}

fn share(memory: u64, percent: u64, at_least: u64) -> u64 {
    (memory * percent / 100).max(at_least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_machines() {
        // Memory, processors → workers, threads, Sidekiq, max_connections, shared_buffers, one pull at a time.
        let table = [
            ((970, 1), (0, 3, 5, 50, 96, true)),
            ((1960, 1), (0, 5, 5, 50, 224, false)),
            ((1960, 2), (0, 5, 5, 50, 224, false)),
            ((3920, 2), (2, 5, 10, 50, 480, false)),
            ((7900, 4), (4, 5, 25, 75, 960, false)),
            ((16_000, 6), (6, 5, 25, 85, 1984, false)),
            ((64_000, 16), (16, 5, 25, 135, 4096, false)),
        ];
        for ((memory, cpus), expected) in table {
            let s = Sizing::for_machine(memory, cpus);
            let actual = (s.web_workers, s.web_threads, s.sidekiq_threads, s.max_connections, s.shared_buffers, s.pulls_at_once == 1);
            assert_eq!(actual, expected, "{memory} MiB, {cpus} processors");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_belongs_together_fits(memory in 400u64..1_000_000, cpus in 1u32..256) {
            let s = Sizing::for_machine(memory, cpus);
            let connections = s.web_workers.max(1) * s.web_threads + s.sidekiq_threads + s.streaming_connections;
            assert!(connections + 10 < s.max_connections);
            assert!(s.shared_buffers * 2 <= s.limits.db);
            assert!(s.redis_memory < s.limits.redis);
            assert!(s.web_workers != 1);
            assert!(s.limits.web <= memory.max(640));
        }
    }
}
