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

#[test]
fn every_example_deploys_and_a_second_pass_changes_nothing() {
    let host = Host::new();
    for (name, kind) in
        [("web", Kind::Web), ("backend", Kind::Web), ("frontend", Kind::Web), ("job", Kind::Job)]
    {
        for tag in ["latest", "1.0"] {
            host.push(&format!("acme/{name}"), tag, kind);
        }
    }
    host.push("nginx", "1", Kind::Proxy);
    host.env("common.env", "REGISTRY=@REGISTRY@\nNGINX_IMAGE=@REGISTRY@/nginx:1\n");
    let mut ports = String::from("stacks:\n");
    for example in examples() {
        let name = example.file_name().unwrap().to_string_lossy().into_owned();
        let stack = format!("{name}-{}", host.id);
        host.copy_stack(&format!("examples/{name}"), &stack);
        copy_server_files(&host, &example, &stack);
        // Published ports must not meet those of other tests.
        let file = host.path(&format!("env/{stack}/.env"));
        let mut env = std::fs::read_to_string(&file).unwrap_or_default();
        env.push_str(&format!("HTTP_PORT={}\n", free_port()));
        host.env(&format!("{stack}/.env"), &env);
        ports.push_str(&format!("  {stack}: {{profiles: [debug]}}\n"));
    }
    host.configure(&format!("rollout: {{stable: 500ms, monitor: 0s, deadline: 60s}}\n{ports}"));
    host.repo.commit("every example");
    host.pass().ends(0);
    host.is_settled();
}
