//! `sbom`: what runs, as others read it.

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::script;

const SHOP: &str = "\
services:
  a: {image: '@REGISTRY@/acme/web:1'}
  b: {image: '@REGISTRY@/acme/web:1', environment: {TOKEN: '${TOKEN}'}}
";

#[test]
fn a_document_of_what_runs_keeps_to_the_schema_of_cyclonedx() {
    let host = Host::new();
    let digest = host.push("acme/web", "1", Kind::Web);
    host.env("shop-@ID@.env", "TOKEN=sesame-opens-4711\n");
    host.env("blog-@ID@.env", "TOKEN=sesame-opens-4711\n");
    let commit = host.commit(&[("shop-@ID@/compose.yaml", SHOP), ("blog-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    // Other tests deploy on this engine too; to this host, their stacks are orphans that run here.
    let run = host.run(&["sbom", "--stack", "shop-@ID@", "--stack", "blog-@ID@"]);
    let document = run.ends(0).json();
    assert!(!run.stdout.contains("sesame"), "{}", run.stdout);
    assert_eq!(
        (&document["bomFormat"], &document["specVersion"]),
        (&"CycloneDX".into(), &"1.6".into())
    );
    let components = document["components"].as_array().unwrap();
    assert_eq!(components.len(), 1, "one image for four services: {document}");
    let purl = format!(
        "pkg:oci/web@{}?repository_url={}/acme/web&tag=1",
        digest.replace(':', "%3A"),
        host.registry.host
    );
    assert_eq!(components[0]["purl"], purl.as_str());
    assert_eq!(document["services"].as_array().unwrap().len(), 4);
    assert!(run.stdout.contains(&commit), "{}", run.stdout);

    let only = host.run(&["sbom", "--stack", "shop-@ID@"]);
    assert_eq!(only.ends(0).json()["services"].as_array().unwrap().len(), 2);
    let all = host.run(&["sbom"]);
    assert!(all.ends(0).stdout.contains(&purl), "{}", all.stdout);
    host.run(&["sbom", "--stack", "shpo"]).ends(1).says("shop");

    let file = host.path("sbom.json");
    std::fs::write(&file, &run.stdout).unwrap();
    let output = script("cyclonedx").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {}
        // Without the validator, what is asserted above has to do.
        Some(3) => eprintln!("not held against the schema: {said}"),
        _ => panic!("not as the schema has it: {said}"),
    }
    std::fs::write(&file, run.stdout.replace("\"container\"", "\"vessel\"")).unwrap();
    let wrong = script("cyclonedx").arg(&file).output().unwrap();
    assert!(matches!(wrong.status.code(), Some(1 | 3)), "a document that is wrong is told");
}
