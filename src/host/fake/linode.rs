//! Simulates Linode's Domains API and the DNS of the world that serves its zones. A double: small, strict about what our client sends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::Machine;
use crate::host::{Answer, Body, Method, Question, Record, RecordType, Request, Response};

const TOP_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 53));
const OTHER_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 6));

/// One account and what the rest of the world has.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) token: String,
    pub(crate) scopes: String,
    pub(crate) zones: Vec<Zone>,
    /// Zones of other accounts.
    pub(crate) elsewhere: BTreeSet<String>,
    /// What the next requests meet instead of the API, or after it has done its work.
    pub(crate) faults: VecDeque<Fault>,
    /// Which name servers each zone is delegated to.
    pub(crate) delegated: BTreeMap<String, Vec<String>>,
    /// Zones with a DS record at their parent.
    pub(crate) signed: BTreeSet<String>,
    /// What ns1.other-dns.net serves.
    pub(crate) other: Vec<Record>,
    /// The name servers do not show changes yet.
    pub(crate) unpublished: bool,
    next_id: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) id: u64,
    pub(crate) domain: String,
    pub(crate) body: Value,
    pub(crate) records: Vec<Value>,
}

/// Something that goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This status, `Retry-After: 0` and body; nothing is done.
    Answer(u16, &'static str),
    /// It is done, but the answer is lost.
    Lost,
}

impl Default for Account {
    /// The bed's: no zones, `fedi-test.org` delegated to Linode.
    fn default() -> Self {
        let linode = (1..=5).map(|number| format!("ns{number}.linode.com")).collect();
        Self {
            token: "a".repeat(64),
            scopes: "domains:read_write".into(),
            zones: Vec::new(),
            elsewhere: BTreeSet::new(),
            faults: VecDeque::new(),
            delegated: BTreeMap::from([("fedi-test.org".into(), linode)]),
            signed: BTreeSet::new(),
            other: Vec::new(),
            unpublished: false,
            next_id: 1000,
        }
    }
}

impl Account {
    /// A zone with these records: type, relative name, target.
    pub(crate) fn with_zone(&mut self, domain: &str, records: &[(&str, &str, &str)]) {
        let body = json!({ "domain": domain, "type": "master", "soa_email": "someone@else.org", "ttl_sec": 0 });
        let mut zone = Zone { id: self.new_id(), domain: domain.into(), body, records: Vec::new() };
        for (kind, name, target) in records {
            let id = self.new_id();
            zone.records.push(json!({ "id": id, "type": kind, "name": name, "target": target, "ttl_sec": 0 }));
        }
        self.zones.push(zone);
    }

    /// Every record of every zone: `A social.fedi-test.org 203.0.113.10 300`.
    pub(crate) fn all(&self) -> Vec<String> {
        let line = |zone: &Zone, record: &Value| {
            let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {} {}", text("type"), full_name(&text("name"), &zone.domain), text("target"), record["ttl_sec"])
        };
        self.zones.iter().flat_map(|zone| zone.records.iter().map(move |record| line(zone, record))).collect()
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn zone(&mut self, id: &str) -> Option<&mut Zone> {
        self.zones.iter_mut().find(|zone| zone.id.to_string() == id)
    }
}

fn full_name(relative: &str, zone: &str) -> String {
    if relative.is_empty() { zone.to_owned() } else { format!("{relative}.{zone}") }
}

/// `https://api.linode.com/v4/domains…`.
pub(super) fn site(machine: &mut Machine, request: &Request) -> Option<Response> {
    let path = request.url.strip_prefix("https://api.linode.com/v4")?;
    let account = &mut machine.linode;
    let lost = match account.faults.pop_front() {
        Some(Fault::Answer(status, body)) => {
            let headers = vec![("retry-after".into(), "0".into())];
            return Some(Response { status, headers, body: body.into() });
        }
        Some(Fault::Lost) => true,
        None => false,
    };
    let response = answer(account, request, path);
    Some(if lost { super::LOST } else { response })
}

fn answer(account: &mut Account, request: &Request, path: &str) -> Response {
    if request.bearer.as_ref().is_none_or(|token| token.expose_secret() != account.token) {
        return refuse(401, None, "Invalid Token");
    }
    let reads = request.method == Method::Get;
    let allowed = account.scopes == "*" || account.scopes.contains("domains:read_write") || (reads && account.scopes.contains("domains:"));
    let mut response = if allowed { route(account, request, path) } else { refuse(401, None, "Your OAuth token is not authorized.") };
    response.headers.push(("x-oauth-scopes".into(), account.scopes.clone()));
    response
}

fn route(account: &mut Account, request: &Request, path: &str) -> Response {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
    match (request.method, parts.as_slice()) {
        (Method::Get, ["domains"]) => list(filtered(account, request), query),
        (Method::Post, ["domains"]) => create_zone(account, request),
        (Method::Get, ["domains", id, "records"]) => match account.zone(id) {
            Some(zone) => list(zone.records.clone(), query),
            None => refuse(404, None, "Not found"),
        },
        (Method::Post, ["domains", id, "records"]) => create_record(account, id, request),
        (Method::Put, ["domains", id, "records", record]) => update_record(account, id, record, request),
        _ => refuse(404, None, "Not found"),
    }
}

/// One item a page, so that every test walks through pages.
fn list(items: Vec<Value>, query: &str) -> Response {
    let page: usize = query.split('&').find_map(|pair| pair.strip_prefix("page=")).and_then(|page| page.parse().ok()).unwrap_or(1);
    let pages = items.len().max(1);
    let data: Vec<_> = items.into_iter().skip(page - 1).take(1).collect();
    good(&json!({ "data": data, "page": page, "pages": pages }))
}

fn filtered(account: &Account, request: &Request) -> Vec<Value> {
    let filter = request.headers.iter().find(|(name, _)| name == "X-Filter").map_or("{}", |(_, filter)| filter.as_str());
    let filter: Value = serde_json::from_str(filter).expect("a filter is JSON");
    let wanted: Vec<_> = filter["+or"].as_array().expect("our filters are alternatives").iter().map(|one| one["domain"].clone()).collect();
    let found = account.zones.iter().filter(|zone| wanted.contains(&json!(zone.domain)));
    found.map(|zone| with_id(zone.body.clone(), zone.id)).collect()
}

fn create_zone(account: &mut Account, request: &Request) -> Response {
    let body = body_of(request);
    let domain = body["domain"].as_str().unwrap_or_default().to_owned();
    if account.elsewhere.contains(&domain) || account.zones.iter().any(|zone| zone.domain == domain) {
        return refuse(400, Some("domain"), "DNS zone already exists");
    }
    if body["soa_email"].as_str().is_none_or(|email| !email.contains('@')) {
        return refuse(400, Some("soa_email"), "soa_email is required");
    }
    let id = account.new_id();
    account.zones.push(Zone { id, domain, body: body.clone(), records: Vec::new() });
    good(&with_id(body, id))
}

fn create_record(account: &mut Account, zone: &str, request: &Request) -> Response {
    let id = account.new_id();
    let Some(zone) = account.zone(zone) else { return refuse(404, None, "Not found") };
    let body = with_id(body_of(request), id);
    if body["name"] == "@" {
        return refuse(400, Some("name"), "Name contains invalid characters");
    }
    if zone.records.iter().any(|record| record["type"] == "CNAME" && record["name"] == body["name"]) {
        return refuse(400, Some("name"), "Record conflict - CNAMES must be unique");
    }
    zone.records.push(body.clone());
    good(&body)
}

fn update_record(account: &mut Account, zone: &str, record: &str, request: &Request) -> Response {
    let found = account.zone(zone).and_then(|zone| zone.records.iter_mut().find(|found| found["id"].as_u64() == record.parse().ok()));
    let Some(record) = found else { return refuse(404, None, "Not found") };
    for (key, value) in body_of(request).as_object().expect("a change is an object") {
        record[key] = value.clone();
    }
    good(record)
}

fn body_of(request: &Request) -> Value {
    if let Some(Body::Json(body)) = &request.body { body.clone() } else { Value::Null }
}

fn with_id(mut body: Value, id: u64) -> Value {
    body["id"] = json!(id);
    body
}

fn good(body: &Value) -> Response {
    Response { status: 200, headers: Vec::new(), body: body.to_string().into() }
}

fn refuse(status: u16, field: Option<&str>, reason: &str) -> Response {
    let body = json!({ "errors": [{ "field": field, "reason": reason }] });
    Response { status, headers: Vec::new(), body: body.to_string().into() }
}

/// What the DNS of this world says. `None`: nothing of ours.
pub(super) fn dns(account: &Account, question: &Question) -> Option<Answer> {
    match question.server {
        None => resolver(account, question),
        Some(TOP_SERVER) => Some(parent(account, question)),
        Some(OTHER_SERVER) => Some(authority(account.other.clone(), question)),
        Some(IpAddr::V4(server)) if server.octets()[..3] == [198, 51, 100] => {
            account.delegated.keys().any(|zone| within(&question.name, zone)).then(|| linode(account, question))
        }
        Some(_) => None,
    }
}

fn resolver(account: &Account, question: &Question) -> Option<Answer> {
    let name = question.name.as_str();
    match (question.kind, name) {
        (RecordType::Ns, top) if !top.contains('.') => Some(given(record(top, RecordType::Ns, "a.top-level-servers.net"))),
        (RecordType::A, "a.top-level-servers.net") => Some(given(record(name, RecordType::A, &TOP_SERVER.to_string()))),
        (RecordType::A, "ns1.other-dns.net") => Some(given(record(name, RecordType::A, &OTHER_SERVER.to_string()))),
        (RecordType::A, _) if name.ends_with(".linode.com") => {
            let number = name.strip_prefix("ns")?.strip_suffix(".linode.com")?;
            Some(given(record(name, RecordType::A, &format!("198.51.100.{number}"))))
        }
        _ => {
            let servers = account.delegated.iter().find(|(zone, _)| within(name, zone))?.1;
            let other = servers.iter().any(|server| server == "ns1.other-dns.net");
            let answer = if other { authority(account.other.clone(), question) } else { linode(account, question) };
            // To keep prepared answers simple, a zone that nobody serves has no names.
            Some(if answer.failure.is_some() { Answer { no_such_name: true, ..Answer::default() } } else { answer })
        }
    }
}

fn parent(account: &Account, question: &Question) -> Answer {
    let Some((zone, servers)) = account.delegated.iter().find(|(zone, _)| within(&question.name, zone)) else {
        return Answer { no_such_name: true, authoritative: true, ..Answer::default() };
    };
    if question.kind == RecordType::Ds {
        let ds = account.signed.contains(zone).then(|| record(zone, RecordType::Ds, "12345 13 2 00"));
        return Answer { authoritative: true, answers: ds.into_iter().collect(), ..Answer::default() };
    }
    Answer { authority: servers.iter().map(|server| record(zone, RecordType::Ns, server)).collect(), ..Answer::default() }
}

fn linode(account: &Account, question: &Question) -> Answer {
    let Some(zone) = account.zones.iter().find(|zone| within(&question.name, &zone.domain)).filter(|_| !account.unpublished) else {
        return Answer { failure: Some("REFUSED".into()), ..Answer::default() };
    };
    let kinds = [("A", RecordType::A), ("AAAA", RecordType::Aaaa), ("CNAME", RecordType::Cname)];
    let read = |found: &Value| {
        let (_, kind) = kinds.iter().find(|(name, _)| found["type"] == *name)?;
        let name = full_name(found["name"].as_str()?, &zone.domain);
        Some(record(&name, *kind, found["target"].as_str()?))
    };
    authority(zone.records.iter().filter_map(read).collect(), question)
}

fn authority(records: Vec<Record>, question: &Question) -> Answer {
    let here: Vec<_> = records.into_iter().filter(|record| record.name == question.name).collect();
    let no_such_name = here.is_empty();
    let answers = here.into_iter().filter(|record| record.kind == question.kind || record.kind == RecordType::Cname).collect();
    Answer { no_such_name, authoritative: true, answers, ..Answer::default() }
}

fn within(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

impl Machine {
    /// These names have an address at the other provider's name server.
    pub(crate) fn publish(&mut self, names: &[&str]) {
        self.linode.delegated.insert("fedi-test.org".into(), vec!["ns1.other-dns.net".into()]);
        self.linode.other = names.iter().map(|name| record(name, RecordType::A, "203.0.113.10")).collect();
    }
}

/// A record as name servers give it.
pub(crate) fn record(name: &str, kind: RecordType, data: &str) -> Record {
    Record { name: name.into(), kind, ttl: 300, data: data.into() }
}

fn given(record: Record) -> Answer {
    Answer { answers: vec![record], ..Answer::default() }
}
