//! What the API sends. Unknown fields are fine, and so are missing ones (linode.md §1.3).

use serde::Deserialize;
use serde_json::{Value, json};

use super::TTL;

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default = "one")]
    pub(super) pages: u32,
}

const fn one() -> u32 {
    1
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Zone {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub domain: String,
    /// `master` or `slave`; a slave's records come from elsewhere.
    #[serde(rename = "type", default)]
    pub role: String,
}

/// A record of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ZoneRecord {
    /// Its number; 0 before it is made.
    #[serde(default)]
    pub id: u64,
    /// `A`, `AAAA`, `CNAME`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Name relative to the zone; empty for the zone's own.
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    /// Address or name.
    #[serde(default, deserialize_with = "text")]
    pub target: String,
    /// Seconds; 0 is the zone's default.
    #[serde(default)]
    pub ttl_sec: u32,
}

/// `null` counts as empty.
fn text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Zone {
    /// A name relative to this zone, as the API stores it: the zone's own is empty. `None`: it is not in this zone.
    pub fn relative(&self, name: &str) -> Option<String> {
        let (name, zone) = (name.to_ascii_lowercase(), self.domain.to_ascii_lowercase());
        if name == zone {
            return Some(String::new());
        }
        name.strip_suffix(&zone)?.strip_suffix('.').map(str::to_owned)
    }
}

impl ZoneRecord {
    /// Whether it stands at this name (relative, lower case) of the zone. A fully qualified name counts too (linode.md §1.4).
    pub fn is_at(&self, relative: &str, zone: &Zone) -> bool {
        let name = self.name.trim_end_matches('.').to_ascii_lowercase();
        name == relative || zone.relative(&name).as_deref() == Some(relative)
    }

    /// The target without final dot, in lower case; an address in its usual form.
    pub fn plain_target(&self) -> String {
        let target = self.target.trim_end_matches('.').to_ascii_lowercase();
        target.parse::<std::net::IpAddr>().map_or(target, |address| address.to_string())
    }

    pub(super) fn same(&self, other: &Self, zone: &Zone) -> bool {
        self.kind == other.kind && self.is_at(&other.name, zone) && self.plain_target() == other.plain_target()
    }

    pub(super) fn body(&self) -> Value {
        json!({ "type": self.kind, "name": self.name, "target": self.target, "ttl_sec": TTL })
    }
}
