//! Every folder of `examples/` on a real engine: deployed by one pass, and left alone by the next.

use std::path::{Path, PathBuf};

use crate::support::free_port;
use crate::support::host::Host;
use crate::support::registry::Kind;

fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.join("compose.yaml").is_file());
    found.sort();
    found
}

/// Puts what `server/` holds where the operator would: into the server's env directory.
fn copy_server_files(host: &Host, example: &Path, stack: &str) {
    let Ok(files) = std::fs::read_dir(example.join("server")) else { return };
    for file in files {
        let file = file.unwrap();
        let name = format!("{stack}/{}", file.file_name().to_string_lossy());
        host.env(&name, &std::fs::read_to_string(file.path()).unwrap());
    }
}

/// Adds the example as a stack with the server's files it wants, on a port of its own.
fn add(host: &Host, example: &Path) -> String {
    let name = example.file_name().unwrap().to_string_lossy().into_owned();
    let stack = format!("{name}-{}", host.id);
    host.copy_stack(&format!("examples/{name}"), &stack);
    copy_server_files(host, example, &stack);
    let file = host.path(&format!("env/{stack}/.env"));
    let env = std::fs::read_to_string(&file).unwrap_or_default();
    host.env(&format!("{stack}/.env"), &format!("{env}HTTP_PORT={}\n", free_port()));
    stack
}

fn push_images(host: &Host) {
    let images = [
        ("acme/web", "1.0", Kind::Web),
        ("acme/job", "1.0", Kind::Job),
        ("acme/backend", "latest", Kind::Web),
        ("acme/frontend", "latest", Kind::Web),
        ("nginx", "1", Kind::Proxy),
    ];
    for (name, tag, kind) in images {
        host.push(name, tag, kind);
    }
    host.env("common.env", "REGISTRY=@REGISTRY@\nNGINX_IMAGE=@REGISTRY@/nginx:1\n");
}

#[test]
fn every_example_deploys_and_a_second_pass_changes_nothing() {
    // Not all at once: an engine has addresses for some thirty networks only.
    for batch in examples().chunks(5) {
        let host = Host::new();
        push_images(&host);
        let mut config =
            "rollout: {stable: 500ms, monitor: 0s, deadline: 60s}\nstacks:\n".to_owned();
        for example in batch {
            config.push_str(&format!("  {}: {{profiles: [debug]}}\n", add(&host, example)));
        }
        host.configure(&config);
        host.repo.commit("examples");
        host.pass().ends(0);
        host.is_settled();
    }
}
