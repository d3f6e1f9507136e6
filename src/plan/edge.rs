//! The edge: Caddy, from the first minute on, and its certificate.

use std::time::Duration;

use super::dns::Dns;
use super::docker::Docker;
use super::{Inputs, Patience, Plan};
use crate::resource::edge::{Caddy, CaddyLoaded, Certificate, Ports};

/// Adds the steps, unless another web server does this work. DNS is waited for, but not for ever.
pub fn add(plan: &mut Plan, with: &Inputs, dns: &Dns, docker: &Docker) {
    let Some(image) = docker.caddy else { return };
    let ports = plan.step("edge/ports", Ports).needs([docker.ready]).add();
    let caddy = plan
        .step("edge/caddy", Caddy)
        .needs([docker.project, image, ports])
        .patience(Patience::settle(Duration::from_mins(2), Duration::from_secs(1)))
        .add();
    let loaded = plan.step("edge/loaded", CaddyLoaded).needs([caddy]).add();
    // Without a token the records are made by hand: that takes longer than anybody should look at a terminal.
    let patience = if with.settings.token.is_some() { Duration::from_mins(3) } else { Duration::from_secs(30) };
    let mut certificate = plan.step("edge/certificate", Certificate::new(with.settings.names())).needs([loaded]);
    if let Some(published) = dns.published {
        certificate = certificate.after(published, patience);
    }
    // As long as DNS could be worth waiting for, `after` has waited; a certificate itself takes seconds.
    let issued = patience.min(Duration::from_mins(1));
    certificate.patience(Patience::settle(issued, Duration::from_secs(1))).add();
}
