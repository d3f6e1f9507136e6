//! What PostgreSQL and Rails print, with lines of logs in between.

use tootstrap::mail::{Fate, test_message};
use tootstrap::resource::mastodon::{Content, Database, Owner, Seeds};
use tootstrap::settings::Registrations;

use super::{Trial, wait};

const SLOTS: [&str; 6] = [
    "run docker ps --quiet",
    "run docker exec --interactive",
    "run docker compose --project-directory /opt/mastodon run --rm -T --no-deps --entrypoint grep",
    "run docker compose --project-directory /opt/mastodon",
    "file /var/lib/tootstrap/stamps/app-schema",
    "file /var/lib/tootstrap/stamps/app-seeds",
];

pub fn run(data: &[u8]) {
    let mut trial = Trial::new(data, &SLOTS, 3);
    // Each asks for itself.
    let content = || Content::new("alice".parse().expect("a name"));
    trial.converge(&Database::new("v4.7.4", content(), true));
    let contact = "a@fedi-test.org".parse().expect("an address");
    let seeds = Seeds { registrations: Registrations::Open, contact, media_days: 7 };
    let owner = Owner {
        name: "alice".parse().expect("a name"),
        content: content(),
        email: "alice@fedi-test.org".parse().expect("an address"),
        password: "password".into(),
        email_is_ours: true,
        seeds,
    };
    trial.converge(&owner);
    if let Some(machine) = trial.next()
        && let Ok(Fate::Failed { error, message }) = wait(test_message(&machine, "fedi-test.org", "a@fedi-test.org"))
    {
        assert!([error, message].iter().all(|text| text.chars().count() <= 300 && !text.contains('\u{1b}')));
    }
}
