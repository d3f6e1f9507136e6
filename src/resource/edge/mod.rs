//! The edge: Caddy on ports 80 and 443.

mod caddy;
mod certificate;
mod loaded;
mod ports;
mod proxied;
mod trouble;

pub use caddy::Caddy;
pub use certificate::Certificate;
pub use loaded::CaddyLoaded;
pub use ports::Ports;
pub use proxied::Proxied;

use super::docker::compose;
use crate::host::Cmd;

/// Caddy's own name of its file.
const CONFIG: [&str; 4] = ["--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"];

/// Makes Caddy load its file; `force`: also if nothing has changed, which ends its back-off at the certificate authority
/// (testbed.md §6).
fn reload(force: bool) -> Cmd {
    let options: &[&str] = if force { &["--force"] } else { &[] };
    let reload = compose().args(["exec", "-T", "caddy", "caddy", "reload"]).args(CONFIG);
    reload.args(["--address", "unix//run/caddy/admin.sock"]).args(options.iter().copied())
}
