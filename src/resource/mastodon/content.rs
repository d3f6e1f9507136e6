//! What the database holds, as far as this program asks for it.

use std::sync::{Arc, Mutex, PoisonError};

use super::psql::{self, Rows};
use crate::host::Probe;
use crate::settings::OwnerName;

/// The schema, and what seeding makes: a role with all permissions, the instance's actor, the web application (mastodon.md §3.3). Then who may
/// do everything, and what became of the account of the owner's name.
const SQL: &str = "
SELECT to_regclass('public.schema_migrations') IS NOT NULL AS prepared,
       to_regclass('public.users') IS NOT NULL AND to_regclass('public.user_roles') IS NOT NULL AS populated \\gset
\\if :prepared
SELECT 'schema', coalesce(max(version::bigint), 0) FROM schema_migrations;
SELECT 'roles', count(*) FROM user_roles WHERE permissions & 1 = 1;
SELECT 'actor', count(*) FROM accounts WHERE id = -99;
SELECT 'application', count(*) FROM oauth_applications WHERE superapp;
\\endif
\\if :populated
SELECT 'administrators', count(*) FROM users u JOIN user_roles r ON r.id = u.role_id WHERE r.permissions & 1 = 1;
SELECT 'owner', CASE WHEN u.sign_in_count = 0 AND r.permissions & 1 = 1 AND (u.confirmed_at IS NULL OR NOT u.approved)
                     THEN 'unfinished' ELSE 'present' END
  FROM accounts a JOIN users u ON u.account_id = a.id LEFT JOIN user_roles r ON r.id = u.role_id
 WHERE a.domain IS NULL AND lower(a.username) = lower(:'owner');
\\endif
";

/// One question for the two resources that look one after the other: a process in a container takes longer than what it is asked.
#[derive(Debug)]
pub struct Content {
    owner: OwnerName,
    kept: Mutex<Option<Rows>>,
}

impl Content {
    /// With the account of this name.
    pub fn new(owner: OwnerName) -> Arc<Self> {
        Arc::new(Self { owner, kept: Mutex::default() })
    }

    /// Asks now. `None`: the database does not run (yet).
    pub(super) async fn ask(&self, host: &dyn Probe) -> anyhow::Result<Option<Rows>> {
        psql::query(host, &[("owner", self.owner.as_str())], SQL).await
    }

    /// Keeps an answer for whoever looks next: nothing was changed since.
    pub(super) fn keep(&self, rows: Rows) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows);
    }

    /// The answer that was kept, once; or asks.
    pub(super) async fn kept_or_ask(&self, host: &dyn Probe) -> anyhow::Result<Option<Rows>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if kept.is_some() { Ok(kept) } else { self.ask(host).await }
    }
}
