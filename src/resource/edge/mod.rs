//! The edge: Caddy on ports 80 and 443.

pub(crate) mod admin;
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
