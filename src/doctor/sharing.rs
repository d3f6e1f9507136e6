//! The text for others: everything that helps to find a cause, nothing that is secret.

use std::fmt::Write;

use super::{Finding, Mask, Seen};

/// Lines of each log that are shared.
const LINES: usize = 40;

/// The whole report, masked.
pub fn report(seen: &Seen, findings: &[Finding], mask: &Mask) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, seen, findings);
    mask.clean(&text)
}

fn write(text: &mut String, seen: &Seen, findings: &[Finding]) -> std::fmt::Result {
    writeln!(text, "tootstrap doctor, {:.0}", seen.at)?;
    writeln!(text, "Secrets, e-mail addresses and other machines' addresses are hidden. Read it before you share it.")?;
    writeln!(text, "\nSite: {}", seen.site.as_deref().unwrap_or("nothing is installed"))?;
    for (what, version) in &seen.versions {
        writeln!(text, "{what}: {version}")?;
    }
    writeln!(text, "\n== Findings: {}", findings.len())?;
    for finding in findings {
        writeln!(text, "{:?} {}: {}", finding.grade, finding.name, finding.says)?;
        finding.seen.iter().try_for_each(|sign| writeln!(text, "  seen  {sign}"))?;
        finding.remedies.iter().try_for_each(|remedy| writeln!(text, "  do    {remedy}"))?;
    }
    writeln!(text, "\n== Machine")?;
    for disk in &seen.disks {
        let (space, mb) = (disk.space, |bytes: u64| bytes >> 20);
        let files = format!("{} of {} files", space.files_free, space.files);
        writeln!(text, "{}: {} of {} MB and {files} free", disk.path, mb(space.free), mb(space.total))?;
    }
    for (name, bytes) in &seen.memory {
        writeln!(text, "{name}: {} MB", bytes >> 20)?;
    }
    writeln!(text, "clock: {:?} s fast against {:?}, synchronized {:?}", seen.clock.fast, seen.clock.against, seen.clock.synchronized)?;
    writeln!(text, "mail ports at {}: {:?}", seen.mail.hosts.join(" and "), seen.mail.ports)?;
    writeln!(text, "web: {:?}", seen.web)?;
    writeln!(text, "certificate: {:?}", seen.tls)?;
    writeln!(text, "\n== Steps that are not as wanted")?;
    for step in seen.steps.iter().filter(|step| step.outcome != crate::report::Outcome::Unchanged) {
        writeln!(text, "{}: {:?}", step.id, step.outcome)?;
    }
    for (service, container) in &seen.containers {
        writeln!(text, "\n== {service}: {container:?}")?;
        let log = seen.logs.get(service).map(Vec::as_slice).unwrap_or_default();
        log[log.len().saturating_sub(LINES)..].iter().try_for_each(|line| writeln!(text, "{line}"))?;
    }
    Ok(())
}
