//! What Docker's daemon tells while it pulls an image: JSON objects, one after the other.
//!
//! Documented at <https://docs.docker.com/reference/api/engine/version/v1.41/#operation/ImageCreate>; the words are those of moby's
//! `distribution/xfer/download.go`, and of `daemon/containerd/progress.go` where images are left to containerd.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{bail, ensure};
use serde::Deserialize;
use tokio::time::Instant;

use crate::host::{Phase, Progress};

/// How often it is told how much has come.
const EVERY: Duration = Duration::from_secs(1);

/// How long nothing may come: layers of other images may come first.
pub(super) const SILENCE: Duration = Duration::from_mins(30);

/// No object of the daemon's is as long, bytes.
const LONGEST: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    status: String,
    /// Of a layer, or the tag.
    #[serde(default)]
    id: String,
    progress_detail: Option<Detail>,
    error_detail: Option<Failure>,
    /// The same as older daemons say it.
    error: Option<String>,
}

#[derive(Default, Deserialize)]
struct Detail {
    #[serde(default)]
    current: i64,
    #[serde(default)]
    total: i64,
    /// Without them it is bytes.
    units: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

/// A pull under way.
#[derive(Default)]
pub(super) struct Pull {
    /// An object whose end has not come yet.
    open: Vec<u8>,
    layers: BTreeMap<String, Layer>,
    failure: Option<String>,
    /// When something new was told.
    moved: Option<Instant>,
    told: Option<(Instant, Progress)>,
}

/// How a layer is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    Waits,
    Retries,
    Comes,
    IsHere,
    IsUnpacked,
    IsDone,
}

/// A layer that was not here, bytes as packed.
#[derive(Default)]
struct Layer {
    size: Option<u64>,
    fetched: u64,
    unpacked: u64,
    doing: Option<Doing>,
}

impl Pull {
    /// Takes what has come, and returns what is worth a line.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant) -> Vec<String> {
        self.open.extend_from_slice(bytes);
        let mut objects = serde_json::Deserializer::from_slice(&self.open).into_iter::<Message>();
        let mut messages = Vec::new();
        let incomprehensible = loop {
            match objects.next() {
                Some(Ok(message)) => messages.push(message),
                None => break false,
                Some(Err(error)) => break !error.is_eof(),
            }
        };
        let done = objects.byte_offset();
        self.open.drain(..done);
        if incomprehensible || self.open.len() > LONGEST {
            self.open.clear();
            self.failure = Some("what Docker tells of the pull cannot be understood".into());
        }
        let lines = messages.into_iter().filter_map(|message| self.see(message, now)).collect();
        if now.duration_since(*self.moved.get_or_insert(now)) >= SILENCE {
            self.failure = Some(format!("nothing came from the registry for {} minutes", SILENCE.as_secs() / 60));
        }
        lines
    }

    fn see(&mut self, message: Message, now: Instant) -> Option<String> {
        if let Some(failure) = message.error_detail.map(|detail| detail.message).or(message.error) {
            self.failure = Some(format!("Error response from daemon: {failure}"));
            return None;
        }
        let Message { status, id, .. } = message;
        if status == "Already exists" {
            self.layers.remove(&id);
            return None;
        }
        let doing = Doing::of(&status)?;
        let layer = self.layers.entry(id.clone()).or_default();
        let before = (layer.doing, layer.fetched);
        layer.see(doing, &message.progress_detail.unwrap_or_default());
        // That it comes is repeated without end where images are left to containerd, though nothing comes.
        if doing != Doing::Comes || before != (layer.doing, layer.fetched) {
            self.moved = Some(now);
        }
        let is_line = doing == Doing::Retries && before.0 != Some(Doing::Retries);
        is_line.then(|| format!("layer {id}: {status}"))
    }

    /// How much has come. `None`: nothing is known yet, or there is nothing to fetch.
    fn progress(&self) -> Option<Progress> {
        let layers = || self.layers.values();
        let sum = |of: fn(&Layer) -> u64| layers().map(of).fold(0, u64::saturating_add);
        let total = layers().map(|layer| layer.size).try_fold(0, |sum: u64, size| Some(sum.saturating_add(size?)));
        if self.layers.is_empty() {
            return None;
        }
        Some(if layers().all(Layer::is_here) {
            Progress { phase: Phase::Unpack, bytes: sum(|layer| layer.unpacked), total }
        } else {
            Progress { phase: Phase::Download, bytes: sum(|layer| layer.fetched), total }
        })
    }

    /// How much has come, if it is time to tell it again.
    pub(super) fn due(&mut self, now: Instant) -> Option<Progress> {
        if self.told.is_some_and(|(when, _)| now.duration_since(when) < EVERY) {
            return None;
        }
        let progress = self.untold()?;
        self.told = Some((now, progress));
        Some(progress)
    }

    /// How much has come, if that has not been told.
    pub(super) fn untold(&self) -> Option<Progress> {
        self.progress().filter(|progress| self.told.is_none_or(|(_, told)| told != *progress))
    }

    /// Whether nothing more is to be expected.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// What the daemon said of why it did not work, that nothing came for long, or that it broke off.
    pub(super) fn end(self) -> anyhow::Result<()> {
        if let Some(failure) = self.failure {
            bail!(failure);
        }
        ensure!(self.open.iter().all(u8::is_ascii_whitespace), "Docker broke off in the middle of what it told");
        Ok(())
    }
}

impl Doing {
    /// `None`: it is about no layer, or about one that is here already.
    fn of(status: &str) -> Option<Self> {
        Some(match status {
            "Pulling fs layer" | "Waiting" => Self::Waits,
            "Downloading" | "Pulling layer fs" => Self::Comes,
            "Verifying Checksum" | "Download complete" => Self::IsHere,
            "Extracting" => Self::IsUnpacked,
            "Pull complete" => Self::IsDone,
            _ if status.starts_with("Retrying in ") => Self::Retries,
            _ => return None,
        })
    }
}

impl Layer {
    fn see(&mut self, doing: Doing, detail: &Detail) {
        let in_bytes = |number| u64::try_from(number).ok().filter(|number| detail.units.is_none() && *number > 0);
        let (current, total) = (in_bytes(detail.current), in_bytes(detail.total));
        self.doing = Some(doing);
        self.size = total.or(self.size);
        if doing == Doing::Comes {
            self.fetched = current.unwrap_or_default();
        }
        if self.is_here() {
            // A small one can be here before its size was told.
            self.fetched = *self.size.get_or_insert(self.fetched);
        }
        match doing {
            Doing::IsUnpacked => self.unpacked = current.unwrap_or(self.unpacked),
            Doing::IsDone => self.unpacked = self.fetched,
            Doing::Waits | Doing::Retries | Doing::Comes | Doing::IsHere => {}
        }
    }

    fn is_here(&self) -> bool {
        matches!(self.doing, Some(Doing::IsHere | Doing::IsUnpacked | Doing::IsDone))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Docker 20.10 tells it.
    const TOLD: &str = r#"{"status":"Pulling from library/influxdb","id":"1.3.9"}
{"status":"Already exists","progressDetail":{},"id":"3e731ddb7fc9"}
{"status":"Pulling fs layer","progressDetail":{},"id":"47cafa6a79d0"}
{"status":"Pulling fs layer","progressDetail":{},"id":"79fcf5a213c7"}
{"status":"Waiting","progressDetail":{},"id":"79fcf5a213c7"}
{"status":"Downloading","progressDetail":{"current":113798,"total":11107850},"progress":"[\u003e      ]  113.8kB/11.11MB","id":"47cafa6a79d0"}
{"status":"Downloading","progressDetail":{"current":1378626,"total":4335400},"progress":"[====\u003e  ]  1.379MB/4.335MB","id":"79fcf5a213c7"}
{"status":"Verifying Checksum","progressDetail":{},"id":"79fcf5a213c7"}
{"status":"Download complete","progressDetail":{},"id":"79fcf5a213c7"}
{"status":"Retrying in 5 seconds","progressDetail":{},"id":"47cafa6a79d0"}
{"status":"Retrying in 4 seconds","progressDetail":{},"id":"47cafa6a79d0"}
{"status":"Downloading","progressDetail":{"current":11107850,"total":11107850},"progress":"[=====]  11.11MB/11.11MB","id":"47cafa6a79d0"}
{"status":"Download complete","progressDetail":{},"id":"47cafa6a79d0"}
{"status":"Extracting","progressDetail":{"current":65536,"total":11107850},"progress":"[\u003e      ]  65.54kB/11.11MB","id":"47cafa6a79d0"}
{"status":"Pull complete","progressDetail":{},"id":"47cafa6a79d0"}
{"status":"Digest: sha256:7f75ad504148650f26429543007607dd84886b54ffc9cdf8879ea8ba4c5edb7d"}
{"status":"Status: Downloaded newer image for influxdb:1.3.9"}
"#;

    fn download(bytes: u64, total: Option<u64>) -> Progress {
        Progress { phase: Phase::Download, bytes, total }
    }

    fn unpack(bytes: u64, total: u64) -> Progress {
        Progress { phase: Phase::Unpack, bytes, total: Some(total) }
    }

    #[test]
    fn bytes_are_those_of_the_layers_that_were_not_here() {
        let mut pull = Pull::default();
        let seen = TOLD.lines().filter_map(|line| {
            pull.feed(line.as_bytes(), Instant::now());
            pull.progress()
        });
        let all = 11_107_850 + 4_335_400;
        let expected = [
            download(0, None),
            download(0, None),
            download(0, None),
            download(113_798, None),
            download(113_798 + 1_378_626, Some(all)),
            download(113_798 + 4_335_400, Some(all)),
            download(113_798 + 4_335_400, Some(all)),
            download(113_798 + 4_335_400, Some(all)),
            download(113_798 + 4_335_400, Some(all)),
            download(all, Some(all)),
            unpack(0, all),
            unpack(65_536, all),
            unpack(11_107_850, all),
            unpack(11_107_850, all),
            unpack(11_107_850, all),
        ];
        assert_eq!(seen.collect::<Vec<_>>(), expected);
        assert!(pull.end().is_ok());
    }

    #[test]
    fn a_retry_has_one_line_and_a_small_layer_counts_as_it_came() {
        let mut pull = Pull::default();
        assert_eq!(pull.feed(TOLD.as_bytes(), Instant::now()), ["layer 47cafa6a79d0: Retrying in 5 seconds"]);
        let mut pull = Pull::default();
        pull.feed(br#"{"status":"Pulling fs layer","id":"a"}{"status":"Download complete","id":"a"}{"status":"Extracting","progressDetail":{"current":3,"units":"s"},"id":"a"}"#, Instant::now());
        assert_eq!(pull.progress(), Some(unpack(0, 0)), "seconds are no bytes");
    }

    #[test]
    fn failures_come_with_status_200() {
        for (told, why) in [
            (
                r#"{"status":"x"}{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}"#,
                "Error response from daemon: no space left on device",
            ),
            (r#"{"error":"manifest unknown"}"#, "Error response from daemon: manifest unknown"),
            (
                r#"{"errorDetail":{"code":1,"message":"toomanyrequests: slow down"}}"#,
                "Error response from daemon: toomanyrequests: slow down",
            ),
            (r#"{"status":"Downl"#, "Docker broke off in the middle of what it told"),
            ("<html>", "what Docker tells of the pull cannot be understood"),
        ] {
            let mut pull = Pull::default();
            pull.feed(told.as_bytes(), Instant::now());
            assert_eq!(pull.end().unwrap_err().to_string(), why, "{told}");
        }
    }

    #[test]
    fn it_is_told_once_a_second_and_only_what_is_new() {
        let mut pull = Pull::default();
        let start = Instant::now();
        let mut tell = |line: usize, seconds: f64| {
            let now = start + Duration::from_secs_f64(seconds);
            pull.feed(TOLD.lines().nth(line).unwrap().as_bytes(), now);
            pull.due(now).is_some()
        };
        let told = [(0, 0.0), (2, 0.1), (5, 0.2), (6, 1.0), (7, 1.1), (8, 1.3), (9, 2.2)].map(|(line, seconds)| tell(line, seconds));
        assert_eq!(told, [false, true, false, false, true, false, false]);
    }

    #[test]
    fn a_registry_that_hangs_is_not_waited_for_without_end() {
        let start = Instant::now();
        let fails = |later: &str| {
            let mut pull = Pull::default();
            let comes = br#"{"status":"Pulling layer fs","progressDetail":{"current":7,"total":9},"id":"a"}"#;
            pull.feed(comes, start);
            pull.feed(comes, start + SILENCE / 2);
            pull.feed(later.as_bytes(), start + SILENCE);
            pull.has_failed()
        };
        assert!(fails(r#"{"status":"Pulling layer fs","progressDetail":{"current":7,"total":9},"id":"a"}"#));
        assert!(!fails(r#"{"status":"Pulling layer fs","progressDetail":{"current":8,"total":9},"id":"a"}"#));
        assert!(!fails(r#"{"status":"Extracting","progressDetail":{"current":1,"units":"s"},"id":"a"}"#));
    }

    proptest! {
        #[test]
        fn pieces_may_end_anywhere(sizes in prop::collection::vec(1_usize..200, 1..100)) {
            let mut pull = Pull::default();
            let mut rest = TOLD.as_bytes();
            for size in sizes.into_iter().cycle() {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                pull.feed(piece, Instant::now());
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(pull.progress(), Some(unpack(11_107_850, 11_107_850 + 4_335_400)));
            prop_assert!(pull.end().is_ok());
        }
    }
}
