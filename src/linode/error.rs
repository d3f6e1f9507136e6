//! What the API's answers mean. Texts are never matched to tell one refusal from another (linode.md §1.7), but for the one that its own
//! clients know: "Linode busy."

use std::time::Duration;

use serde::Deserialize;

use super::{SCOPE, Trouble};
use crate::host::Response;

/// Why the API did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 401: unknown, expired or revoked.
    #[error("Linode does not accept the API token ({reason}): it is wrong, expired or revoked")]
    BadToken {
        /// What the API said.
        reason: String,
    },
    /// 403, or the list of scopes lacks ours.
    #[error("the API token may not do this ({reason}): it needs the scope {SCOPE}")]
    MissingScope {
        /// What the API said.
        reason: String,
    },
    /// Limits, maintenance, gateway errors; it was tried several times.
    #[error("the Linode API is busy: {reason}")]
    Busy {
        /// What the API said.
        reason: String,
    },
    /// The zone exists, but not in this account; or its name is not accepted.
    #[error("Linode does not let this account have the zone {domain}: {reason}")]
    ZoneElsewhere {
        /// Name of the zone.
        domain: String,
        /// What the API said.
        reason: String,
    },
    /// 400: a field is not accepted.
    #[error("the Linode API does not accept {field}: {reason}")]
    Invalid {
        /// Which field; `this` if the API named none.
        field: String,
        /// What the API said.
        reason: String,
    },
    /// No connection, or no answer.
    #[error("the Linode API does not answer: {0}")]
    Unreachable(String),
    /// Anything else.
    #[error("the Linode API answered {status}: {reason}")]
    Other {
        /// HTTP status.
        status: u16,
        /// What the API said.
        reason: String,
    },
}

impl ApiError {
    /// Whether another token is what helps.
    pub const fn about_token(&self) -> bool {
        matches!(self, Self::BadToken { .. } | Self::MissingScope { .. })
    }
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Success, or what to do about it. Limits and gateway errors: linode.md §1.7.
pub(super) fn judge(response: Response) -> Result<Response, Trouble> {
    let html = response.body.trim_ascii_start().starts_with(b"<");
    if response.success() && !html {
        return Ok(response);
    }
    let status = response.status;
    let body: Body = response.parse().unwrap_or_default();
    let reason = if html { format!("a web page with status {status}") } else { reason(&body, status) };
    let busy = ApiError::Busy { reason: reason.clone() };
    Err(match status {
        _ if html && (status >= 500 || response.success()) => Trouble::Unsure(busy),
        429 => Trouble::NotDone(busy, retry_after(&response)),
        400 if body.errors.iter().any(|error| error.reason == "Linode busy.") => Trouble::NotDone(busy, retry_after(&response)),
        408 | 502 | 503 | 504 => Trouble::Unsure(busy),
        401 if response.header("x-oauth-scopes").is_none() => Trouble::Final(ApiError::BadToken { reason }),
        // Where it names the token's scopes it knows the token: a lacking scope is 401 or 403.
        401 | 403 => Trouble::Final(ApiError::MissingScope { reason }),
        400 => {
            let field = body.errors.iter().find_map(|error| error.field.clone()).unwrap_or_else(|| "this".into());
            Trouble::Final(ApiError::Invalid { field, reason })
        }
        status => Trouble::Final(ApiError::Other { status, reason }),
    })
}

fn reason(body: &Body, status: u16) -> String {
    let reasons: Vec<_> = body.errors.iter().map(|error| error.reason.trim_end_matches('.')).collect();
    if reasons.is_empty() { format!("status {status}") } else { reasons.join("; ") }
}

fn retry_after(response: &Response) -> Option<Duration> {
    response.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}
