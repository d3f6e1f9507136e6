//! What Docker's daemon, Compose, Caddy and `ss` say, and what `docker login` has kept.

use tootstrap::resource::docker::{Digests, DockerReady, Image, Services};
use tootstrap::resource::edge::{CaddyLoaded, Certificate, Ports};

use super::Trial;

const SLOTS: [&str; 20] = [
    "http http://docker/version",
    "http http://docker/v1.41/containers/",
    "run docker compose --project-directory /opt/mastodon config",
    "run docker compose --project-directory /opt/mastodon up",
    "run docker compose --project-directory /opt/mastodon logs",
    "run docker compose --project-directory /opt/mastodon",
    "run docker compose version",
    "http http://docker/v1.41/images/create",
    "http http://docker/v1.41/images/",
    "http http://docker/",
    "http http://caddy/config/",
    "http http://caddy/",
    "run ss",
    "file /etc/tootstrap/images.toml",
    "file /var/lib/tootstrap/stamps/containers-",
    "file /opt/mastodon/",
    "http https://",
    "without",
    "file /root/.docker/config.json",
    "run docker-credential-",
];

pub fn run(data: &[u8]) {
    let mut trial = Trial::new(data, &SLOTS, 8);
    let digest = "0".repeat(64);
    trial.converge(&DockerReady);
    trial.converge(&Image::new("redis:7-alpine"));
    trial.converge(&Digests::new(vec!["redis:7-alpine".into(), "caddy:2-alpine".into()]));
    trial.converge(&Services::new(&["db", "redis"]));
    trial.converge(&Services::of_mastodon(&["sidekiq", "streaming", "web"], Some(digest)));
    trial.converge(&CaddyLoaded);
    trial.converge(&Ports);
    trial.converge(&Certificate::new(vec!["social.fedi-test.org".parse().expect("a name")]));
}
