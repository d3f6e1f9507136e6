//! Going on with the first installation after a restart of the machine.

/// Name of the unit that goes on.
pub const UNIT: &str = "tootstrap-resume.service";

/// Where its file stands.
pub const UNIT_PATH: &str = "/etc/systemd/system/tootstrap-resume.service";

/// What stands in it. It does nothing once [`COMPLETE`] exists.
pub const UNIT_FILE: &str = include_str!("../assets/systemd/tootstrap-resume.service");

/// Written after the first installation that succeeded.
pub const COMPLETE: &str = "/var/lib/tootstrap/complete";

/// What [`COMPLETE`] becomes when the server is removed and its data stay.
pub const DATA_KEPT: &str = "/var/lib/tootstrap/data-kept";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_held_back_by_the_same_file() {
        assert!(UNIT_FILE.contains(&format!("ConditionPathExists=!{COMPLETE}\n")));
        assert!(UNIT_FILE.contains(&format!("ConditionPathExists={}\n", crate::settings::RECORDED)));
    }
}
