//! How much `install` would download, as registries and apt say.

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::host::Probe;
use crate::plan::{Inputs, base};
use crate::report::{Download, Event};
use crate::resource::apt::size::{self, Unknown};
use crate::resource::docker;
use crate::resource::docker::registry::{self, Blobs};

/// What is not here yet: nothing, or one event. Whoever cannot be asked is named in it, and is no error.
pub(super) async fn look(host: &dyn Probe, with: &Inputs) -> Option<Event> {
    let (packages, images) = tokio::join!(packages(host, with), images(host, with));
    let parts: Vec<_> = packages.into_iter().chain(images).collect();
    (!parts.is_empty()).then(|| Event::Downloads { at: Timestamp::now(), parts })
}

async fn packages(host: &dyn Probe, with: &Inputs) -> Option<Download> {
    let docker = Unknown {
        url: with.settings.docker_repository.url.clone(),
        suite: with.facts.release.codename().into(),
        architecture: with.facts.architecture.clone(),
    };
    let what = "packages".to_owned();
    match size::size(host, &base::package_names(with), &docker).await {
        Ok(None) => None,
        Ok(Some(size)) => {
            let unknown = (!size.unknown.is_empty()).then(|| format!("without {}, which nobody here knows yet", size.unknown.join(", ")));
            Some(Download { what, bytes: Some(size.bytes).filter(|bytes| *bytes > 0), unknown })
        }
        Err(error) => Some(Download { what, bytes: None, unknown: Some(format!("{error:#}")) }),
    }
}

/// Images that are not here; what several of them have in common is counted once.
async fn images(host: &dyn Probe, with: &Inputs) -> Vec<Download> {
    let images = &with.settings.images;
    let mut missing = Vec::new();
    for reference in [&images.mastodon, &images.streaming, &images.postgres, &images.redis, &images.caddy] {
        if !is_here(host, reference).await {
            missing.push(reference);
        }
    }
    let asked = missing.iter().map(|reference| registry::blobs(host, reference, &with.facts.architecture));
    let mut counted = Blobs::new();
    let found = missing.iter().zip(join_all(asked).await).map(|(reference, found)| {
        let what = format!("image {reference}");
        match found {
            Ok(blobs) => {
                let bytes =
                    blobs.into_iter().filter(|(digest, size)| counted.insert(digest.clone(), *size).is_none()).map(|(_, size)| size);
                Download { what, bytes: Some(bytes.sum()), unknown: None }
            }
            Err(error) => Download { what, bytes: None, unknown: Some(format!("{error:#}")) },
        }
    });
    found.collect()
}

/// A Docker that does not answer is told of by the steps that need it.
async fn is_here(host: &dyn Probe, reference: &str) -> bool {
    docker::installed(host).await && matches!(docker::api::image(host, reference).await, Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::registry::SIZES;
    use crate::host::fake::{FakeHost, Machine};

    fn parts(event: Option<Event>) -> Vec<Download> {
        match event {
            Some(Event::Downloads { parts, .. }) => parts,
            None => Vec::new(),
            Some(other) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_bare_machine_fetches_everything_and_common_layers_once() {
        let (host, with) = (FakeHost::debian(), Inputs::sample());
        let parts = parts(look(&host, &with).await);
        let bytes: Vec<_> = parts[1..].iter().map(|part| part.bytes.unwrap()).collect();
        let [shared, own, config] = SIZES;
        let (first, later) = (shared + own + config, own + config);
        assert_eq!(bytes, [first, later, first, later, later], "two registries, one common layer each");
        assert_eq!(parts[0].what, "packages");
        assert!(host.take_log().is_empty(), "nothing was changed");
    }

    #[tokio::test]
    async fn who_cannot_be_asked_is_named() {
        let (host, with) = (FakeHost::debian(), Inputs::sample());
        host.machine().apt.unreachable.insert("ghcr.io".into());
        let parts = parts(look(&host, &with).await);
        assert_eq!((parts[1].bytes, parts[1].unknown.as_deref()), (None, Some("ghcr.io answers with status 404")));
        assert!(parts[3].bytes.is_some());
    }

    fn everything_is_here(machine: &mut Machine, with: &Inputs) {
        let images = &with.settings.images;
        for name in base::package_names(with) {
            machine.install(&name);
        }
        for image in [&images.mastodon, &images.streaming, &images.postgres, &images.redis, &images.caddy] {
            machine.docker.images.insert(image.clone());
        }
        for registry in ["ghcr.io", "registry-1.docker.io"] {
            machine.apt.unreachable.insert(registry.into());
        }
    }

    #[tokio::test]
    async fn an_installed_machine_fetches_nothing_and_asks_nobody() {
        let (host, with) = (FakeHost::debian(), Inputs::sample());
        host.machine().run_mastodon_containers();
        everything_is_here(&mut host.machine(), &with);
        assert_eq!(parts(look(&host, &with).await), []);
    }
}
