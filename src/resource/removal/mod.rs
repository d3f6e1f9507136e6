//! Taking away again what the installation made. Each kind is a resource too: it checks what is still there, removes it, checks again; so a
//! removal can be previewed, stopped, and gone on with.

mod firewall;
mod gone;
mod images;
mod kept;
mod password;
mod swap;
mod units;

pub use firewall::ClosedPorts;
pub(super) use gone::remove_all;
pub use gone::{Gone, GoneIfEmpty, NoFormerVersions};
pub use images::NoImages;
pub use kept::DataKept;
pub use password::NoOwnerPassword;
pub use swap::NoSwap;
pub use units::NoUnits;
