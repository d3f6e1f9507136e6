//! Is this machine's clock right? Certificates and signatures of packages are judged by it, and their errors name everything but the clock.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::host::{Method, Probe, Request, Response};
use crate::report::WithRemedy;
use crate::resume::COMPLETE;

/// A day on which this program was worked on: no machine runs it earlier.
const MADE: Date = date(2026, 11, 1);
/// Certificates and signatures bear this much.
const BEARABLE: SignedDuration = SignedDuration::from_hours(24);
/// Tells the time in the header of every answer, without a certificate that the clock could spoil; needed for the packages anyway.
const TELLS_THE_TIME: &str = "http://deb.debian.org/debian/";

const REMEDY: &str = "set it: `timedatectl set-ntp true` where time servers can be reached, else `date --set=\"YYYY-MM-DD hh:mm\"` with the \
                      present date; `date` shows it";

/// Refuses a clock that cannot be right. The world is asked before a server is installed, and what it says counts only if it can be asked.
///
/// # Errors
/// The clock is before this program, or more than a day away from what the package mirror says.
pub async fn is_right(probe: &dyn Probe, now: Timestamp) -> anyhow::Result<()> {
    let shown = |time: Timestamp| time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string();
    let spoils = "with it every certificate and package would be refused";
    let made = MADE.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |made| made.timestamp());
    if now < made {
        return Err(anyhow!("the clock of this machine is wrong: it says {}, before this program was made ({MADE}); {spoils}", shown(now)))
            .remedy(REMEDY);
    }
    if probe.stat(Path::new(COMPLETE)).await?.is_some() {
        return Ok(());
    }
    let Some(world) = ask(probe).await else { return Ok(()) };
    if now.duration_since(world).abs() > BEARABLE {
        return Err(anyhow!("the clock of this machine is wrong: it says {}, the world says {}; {spoils}", shown(now), shown(world)))
            .remedy(REMEDY);
    }
    Ok(())
}

async fn ask(probe: &dyn Probe) -> Option<Timestamp> {
    let request = Request::new(Method::Head, TELLS_THE_TIME).timeout(Duration::from_secs(5));
    let answer = probe.get(&request).await.inspect_err(|error| log::debug!("nobody tells the time: {error}")).ok()?;
    time_of(&answer)
}

/// When the answer was made; one from a cache says how old it is.
fn time_of(answer: &Response) -> Option<Timestamp> {
    let date = jiff::fmt::rfc2822::parse(answer.header("date")?).ok()?.timestamp();
    let age = answer.header("age").and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    date.checked_add(SignedDuration::from_secs(age)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::report::Problem;

    async fn said(world: Option<&str>, now: &str) -> Option<String> {
        let host = FakeHost::debian();
        host.machine().uplink.time = world.map(str::to_owned);
        let error = is_right(&host, now.parse().unwrap()).await.err()?;
        assert!(Problem::remedy_of(&error).is_some_and(|remedy| remedy.contains("timedatectl")), "{error:#}");
        Some(error.to_string())
    }

    #[tokio::test]
    async fn years_off_in_both_directions() {
        let world = Some("Mon, 23 Nov 2026 08:53:24 GMT");
        let early = said(world, "2009-01-05T00:00:00Z").await.unwrap();
        assert!(early.contains("it says 2009-01-05 00:00 UTC, before this program was made (2026-11-01)"), "{early}");
        let late = said(world, "2031-02-03T04:05:06Z").await.unwrap();
        assert!(late.contains("it says 2031-02-03 04:05 UTC, the world says 2026-11-23 08:53 UTC"), "{late}");
        assert_eq!(said(None, "2009-01-05T00:00:00Z").await.unwrap(), early);
    }

    #[tokio::test]
    async fn right_or_unknown_is_accepted() {
        for world in [Some("Mon, 23 Nov 2026 08:53:24 GMT"), Some("yesterday"), None] {
            assert_eq!(said(world, "2026-11-23T20:00:00Z").await, None, "{world:?}");
        }
        assert_eq!(said(None, "2031-02-03T04:05:06Z").await, None);
    }

    #[test]
    fn a_cached_answer_is_as_old_as_it_says() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![field("date", "Sun, 22 Nov 2026 08:00:00 GMT"), field("age", "86400")];
        let answer = Response { headers, ..Response::default() };
        assert_eq!(time_of(&answer).unwrap().to_string(), "2026-11-23T08:00:00Z");
    }
}
