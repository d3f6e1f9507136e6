//! Images, and what the daemon says of them.

use serde_json::json;

use super::super::{Machine, Reply, Response};
use super::answer;

/// What Docker says of an image that a power cut tore.
const TORN: &str = "readlink /var/lib/docker/overlay2: invalid argument";

/// Pulled, named and removed.
pub(super) fn program(machine: &mut Machine, words: &[&str]) -> Option<Reply> {
    match words {
        ["image", "rm", "--force", image] if machine.docker.torn_images.contains(*image) => {
            Some(Reply::changed("").status(1, format!("Error response from daemon: {TORN}")))
        }
        ["image", "rm", image] | ["image", "rm", "--force", image] => {
            machine.docker.images.remove(*image);
            Some(Reply::changed(""))
        }
        ["pull", image] => {
            machine.docker.images.insert((*image).into());
            Some(Reply::changed(""))
        }
        ["tag", image, name] => {
            if machine.docker.images.contains(*image) {
                machine.docker.images.insert((*name).into());
                return Some(Reply::changed(""));
            }
            Some(Reply::changed("").status(1, format!("Error response from daemon: No such image: {image}")))
        }
        _ => None,
    }
}

/// The daemon's answers about images.
pub(super) fn daemon(machine: &Machine, path: &str) -> Option<Response> {
    if path == "/images/json" {
        let named = machine.docker.images.iter().map(|image| json!({ "RepoTags": [image] }));
        let unnamed = std::iter::repeat_n(json!({ "RepoTags": null }), machine.docker.unnamed_images);
        return Some(answer(&named.chain(unnamed).collect()));
    }
    let image = path.strip_prefix("/images/")?.strip_suffix("/json")?;
    if !machine.docker.images.contains(image) {
        return Some(Response { status: 404, body: br#"{"message":"No such image"}"#.to_vec(), ..Response::default() });
    }
    if machine.docker.torn_images.contains(image) {
        return Some(Response { status: 500, ..answer(&json!({ "message": TORN })) });
    }
    let name = image.split([':', '@']).next().unwrap_or_default();
    let digest = machine.docker.digests.get(image).cloned().unwrap_or_else(|| format!("{name}@sha256:{}", "0".repeat(64)));
    Some(answer(&json!({ "RepoDigests": [digest] })))
}
