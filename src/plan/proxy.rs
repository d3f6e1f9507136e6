//! Instead of the edge: the operator's own web server stands in front (docs/decisions/0012).

use std::time::Duration;

use super::dns::Dns;
use super::docker::Docker;
use super::{Inputs, Patience, Plan, StepRef};
use crate::assets::ProxySnippets;
use crate::host::Access;
use crate::resource::docker::{Absent, PROJECT};
use crate::resource::edge::Proxied;
use crate::resource::{File, Refusal};

/// DNS may have been changed just now; what the operator has to do is told at once.
const ASKED: Patience = Patience::settle(Duration::from_secs(30), Duration::from_secs(2));

/// Adds the steps. `serving`: Mastodon answers on this machine.
pub fn add(plan: &mut Plan, with: &Inputs, dns: &Dns, docker: &Docker, serving: StepRef) {
    let settings = &with.settings;
    let no_caddy = plan.step("edge/no-caddy", Absent::services(&["caddy"])).needs([docker.ready]).add();
    let examples = match ProxySnippets::render(settings) {
        Ok(ProxySnippets { nginx, caddy }) => [("nginx.conf", nginx), ("Caddyfile", caddy)].map(|(name, text)| {
            let file = File::text(format!("{PROJECT}/proxy/{name}"), text, Access::root(0o644));
            plan.step(format!("edge/example-{name}"), file).needs([docker.project]).add()
        }),
        Err(error) => [plan.step("edge/examples", Refusal::new("configurations for a web server", &error)).add(); 2],
    };
    let mut proxied = plan.step("edge/proxy", Proxied::new(settings)).needs([serving, no_caddy]).needs(examples);
    if let Some(published) = dns.published {
        proxied = proxied.after(published, Duration::from_mins(3));
    }
    proxied.patience(ASKED).add();
}
