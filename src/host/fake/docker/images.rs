//! Images, and what the daemon says of them.

use serde_json::json;

use super::super::{Machine, Reply, Response};
use super::{answer, refuse};

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

/// A pull. What goes wrong once it has begun is told with status 200.
pub(super) fn create(machine: &mut Machine, query: &str) -> Option<Response> {
    let (name, version) = query.strip_prefix("fromImage=")?.split_once("&tag=")?;
    if name.contains('%') {
        return Some(refuse(400, "invalid reference format"));
    }
    if name == "absent" {
        return Some(refuse(404, "manifest unknown"));
    }
    let mut told = vec![
        json!({ "status": format!("Pulling from {name}"), "id": version }),
        json!({ "status": "Pulling fs layer", "progressDetail": {}, "id": "layer" }),
        json!({ "status": "Downloading", "progressDetail": { "current": 500, "total": 1000 }, "id": "layer" }),
    ];
    if name == "large" {
        let why = "write /usr/bin/node: no space left on device";
        told.push(json!({ "errorDetail": { "message": why }, "error": why }));
    } else {
        told.push(json!({ "status": "Pull complete", "progressDetail": {}, "id": "layer" }));
        machine.docker.images.insert(if version.starts_with("sha256:") {
            format!("{name}@{version}")
        } else {
            format!("{name}:{version}")
        });
    }
    let body = told.iter().fold(String::new(), |body, message| body + &message.to_string() + "\r\n");
    Some(Response { status: 200, body: body.into(), ..Response::default() })
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
        return Some(refuse(404, "No such image"));
    }
    if machine.docker.torn_images.contains(image) {
        return Some(Response { status: 500, ..answer(&json!({ "message": TORN })) });
    }
    let name = image.split([':', '@']).next().unwrap_or_default();
    let digest = machine.docker.digests.get(image).cloned().unwrap_or_else(|| format!("{name}@sha256:{}", "0".repeat(64)));
    Some(answer(&json!({ "RepoDigests": [digest] })))
}
