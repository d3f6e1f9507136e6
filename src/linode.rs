//! Typed client of Linode's Domains API (linode.md §1).
//!
//! Reading goes through [`Probe`], changing through [`Host`]. A POST is never repeated blindly: when its fate is unknown the caller's list
//! is read again first.

mod error;
mod wire;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::json;

pub use error::ApiError;
pub use wire::{Zone, ZoneRecord};

use crate::host::{Host, HostError, Method, Probe, Request, Response};
use crate::resource::Wait;
use crate::settings::ApiToken;

const BASE: &str = "https://api.linode.com/v4";

/// What a token must be allowed to do (linode.md §1.1).
pub const SCOPE: &str = "domains:read_write";

/// How often something is tried: as Linode's own clients do (linode.md §1.7).
const TRIES: u32 = 5;

/// The API never makes us wait longer than this for one more try.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// No list is longer, in pages: a zone has 12,000 records at most (linode.md §1.3), an account fewer zones.
const MOST_PAGES: u32 = 200;

/// TTL of what we make, seconds. The zone's is also how long its negative answers are kept (linode.md §1.3).
pub const TTL: u32 = 300;

/// The API on behalf of one token, shared by all DNS steps of a run.
#[derive(Debug)]
pub struct Linode {
    token: ApiToken,
    first_pause: Duration,
    scopes: OnceLock<String>,
    refusal: OnceLock<ApiError>,
    without_zone: OnceLock<WithoutZone>,
    given_up: AtomicBool,
}

/// There is no zone of ours for the site, and none is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithoutZone {
    /// The world's answers are right all the same: someone else keeps them.
    Fine,
    /// The operator has to see to it.
    Wait(Wait),
}

/// What became of one exchange that did not succeed.
enum Trouble {
    /// Certainly not done; worth another try after this pause, if the API named one.
    NotDone(ApiError, Option<Duration>),
    /// Perhaps done.
    Unsure(ApiError),
    /// Another try makes no sense.
    Final(ApiError),
}

impl Linode {
    /// A client for this token.
    pub fn new(token: ApiToken) -> Self {
        let first_pause = Duration::from_secs(1);
        let given_up = AtomicBool::new(false);
        Self { token, first_pause, scopes: OnceLock::new(), refusal: OnceLock::new(), without_zone: OnceLock::new(), given_up }
    }

    /// The same without pauses.
    #[cfg(test)]
    pub(crate) fn impatient(token: ApiToken) -> Self {
        Self { first_pause: Duration::ZERO, ..Self::new(token) }
    }

    /// Why the API refuses the token, once it has.
    pub fn refusal(&self) -> Option<&ApiError> {
        self.refusal.get()
    }

    /// Keeps a refusal of the token, for the steps that come after.
    pub fn refuse(&self, error: &ApiError) {
        // The first one is the one to tell.
        let _kept = self.refusal.set(error.clone());
        self.give_up();
    }

    /// Whether the token may change domains. Unknown counts as yes.
    pub fn may_write(&self) -> bool {
        let Some(scopes) = self.scopes.get() else { return true };
        scopes.split([' ', ',']).any(|scope| matches!(scope, SCOPE | "*"))
    }

    /// What [`Linode::do_without_zone`] was told.
    pub fn without_zone(&self) -> Option<&WithoutZone> {
        self.without_zone.get()
    }

    /// There is no zone of ours and will not be one: the records need not try.
    pub fn do_without_zone(&self, why: WithoutZone) {
        // What was found first stands for the run.
        let _kept = self.without_zone.set(why);
        self.give_up();
    }

    /// A record will not be made by this run: nobody needs to wait for it.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// See [`Linode::give_up`].
    pub fn given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// The longest zone of this account that holds the name (linode.md §1.9).
    pub async fn zone_of(&self, probe: &dyn Probe, name: &str) -> Result<Option<Zone>, ApiError> {
        let candidates: Vec<_> = suffixes(name).collect();
        let either: Vec<_> = candidates.iter().map(|domain| json!({ "domain": domain })).collect();
        let filter = json!({ "+or": either }).to_string();
        let zones: Vec<Zone> = self.all(probe, "/domains", Some(&filter)).await?;
        let is = |zone: &&Zone, domain: &str| zone.domain.eq_ignore_ascii_case(domain);
        Ok(candidates.iter().find_map(|domain| zones.iter().find(|zone| is(zone, domain)).cloned()))
    }

    /// Every record of a zone.
    pub async fn records(&self, probe: &dyn Probe, zone: &Zone) -> Result<Vec<ZoneRecord>, ApiError> {
        self.all(probe, &format!("/domains/{}/records", zone.id), None).await
    }

    /// Makes a zone, or finds it made by an earlier try.
    pub async fn create_zone(&self, host: &dyn Host, domain: &str, soa_email: &str) -> Result<Zone, ApiError> {
        let body = json!({ "domain": domain, "type": "master", "soa_email": soa_email, "ttl_sec": TTL });
        let request = self.request(Method::Post, "/domains").json(body);
        let mut unsure = false;
        for number in 1.. {
            if unsure && let Some(zone) = self.zone_of(host.probe(), domain).await?.filter(|zone| zone.domain.eq_ignore_ascii_case(domain))
            {
                return Ok(zone);
            }
            match self.once(host.send(&request).await) {
                Ok(response) => return parse(&response),
                Err(Trouble::Final(ApiError::Invalid { field, reason })) if field == "domain" => {
                    return Err(ApiError::ZoneElsewhere { domain: domain.into(), reason });
                }
                Err(trouble) => unsure |= self.pause(number, trouble).await?,
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Makes a record, or finds it made by an earlier try.
    pub async fn create_record(&self, host: &dyn Host, zone: &Zone, record: &ZoneRecord) -> Result<(), ApiError> {
        let path = format!("/domains/{}/records", zone.id);
        let request = self.request(Method::Post, &path).json(record.body());
        let mut unsure = false;
        for number in 1.. {
            if unsure && self.records(host.probe(), zone).await?.iter().any(|found| found.same(record, zone)) {
                return Ok(());
            }
            match self.once(host.send(&request).await) {
                Ok(response) => return self.settle_ttl(host, zone, &parse(&response)?).await,
                Err(trouble) => unsure |= self.pause(number, trouble).await?,
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Some accounts store a TTL only by a change (linode.md §1.5): one more request, never a loop.
    async fn settle_ttl(&self, host: &dyn Host, zone: &Zone, made: &ZoneRecord) -> Result<(), ApiError> {
        if made.ttl_sec == TTL {
            return Ok(());
        }
        self.update_record(host, zone, made).await
    }

    /// Gives an existing record this target, and our TTL.
    pub async fn update_record(&self, host: &dyn Host, zone: &Zone, record: &ZoneRecord) -> Result<(), ApiError> {
        let path = format!("/domains/{}/records/{}", zone.id, record.id);
        let request = self.request(Method::Put, &path).json(json!({ "target": record.target, "ttl_sec": TTL }));
        for number in 1.. {
            match self.once(host.send(&request).await) {
                Ok(_) => return Ok(()),
                // To put the same once more is harmless.
                Err(trouble) => self.pause(number, trouble).await?,
            };
        }
        unreachable!("the loop ends by returning")
    }

    /// All pages of a list.
    async fn all<T: DeserializeOwned>(&self, probe: &dyn Probe, path: &str, filter: Option<&str>) -> Result<Vec<T>, ApiError> {
        let (mut items, mut number) = (Vec::new(), 1);
        loop {
            let mut request = self.request(Method::Get, &format!("{path}?page={number}&page_size=500"));
            if let Some(filter) = filter {
                request = request.header("X-Filter", filter);
            }
            let page: wire::Page<T> = parse(&self.read(probe, &request).await?)?;
            items.extend(page.data);
            if number >= page.pages {
                return Ok(items);
            }
            if number == MOST_PAGES {
                return Err(ApiError::Other { status: 200, reason: format!("a list of {} pages, which cannot be", page.pages) });
            }
            number += 1;
        }
    }

    async fn read(&self, probe: &dyn Probe, request: &Request) -> Result<Response, ApiError> {
        for number in 1.. {
            match self.once(probe.get(request).await) {
                Ok(response) => return Ok(response),
                Err(trouble) => self.pause(number, trouble).await?,
            };
        }
        unreachable!("the loop ends by returning")
    }

    fn request(&self, method: Method, path: &str) -> Request {
        Request::new(method, format!("{BASE}{path}")).bearer(self.token.secret().clone())
    }

    /// Judges one exchange.
    fn once(&self, exchanged: Result<Response, HostError>) -> Result<Response, Trouble> {
        let response = match exchanged {
            Ok(response) => response,
            Err(HostError::Http { reason, perhaps_done: true, .. }) => return Err(Trouble::Unsure(ApiError::Unreachable(reason))),
            Err(HostError::Http { reason, untrusted: false, .. }) => return Err(Trouble::NotDone(ApiError::Unreachable(reason), None)),
            Err(other) => return Err(Trouble::Final(ApiError::Unreachable(other.to_string()))),
        };
        if let Some(scopes) = response.header("x-oauth-scopes") {
            // They do not change while a token lives.
            let _same = self.scopes.set(scopes.to_owned());
        }
        error::judge(response)
    }

    /// Waits before another try, or gives up. `true`: what was sent may have been done.
    async fn pause(&self, number: u32, trouble: Trouble) -> Result<bool, ApiError> {
        let (error, named, unsure) = match trouble {
            Trouble::Final(error) => return Err(error),
            Trouble::NotDone(error, named) => (error, named, false),
            Trouble::Unsure(error) => (error, None, true),
        };
        if number >= TRIES {
            return Err(error);
        }
        log::info!("Linode API, try {number}: {error}");
        let ours = self.first_pause * 2_u32.pow(number - 1);
        tokio::time::sleep(named.unwrap_or(ours).min(LONGEST_PAUSE)).await;
        Ok(unsure)
    }
}

fn parse<T: DeserializeOwned>(response: &Response) -> Result<T, ApiError> {
    response.parse().map_err(|error| ApiError::Other { status: response.status, reason: format!("an answer that makes no sense: {error}") })
}

/// The name and everything above it except the top-level domain, longest first.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, rest)| rest)).filter(|name| name.contains('.'))
}

#[cfg(test)]
mod tests;
