//! What an operator does about an Odoo with our addon.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::World;
use crate::support::SEALING_KEY;

/// Runs `quittance odoo-instance …` against the world's database.
fn run(world: &World, allowed: &str, arguments: &[&str]) -> Output {
    Command::new(Path::new(env!("CARGO_BIN_EXE_quittance")))
        .arg("odoo-instance")
        .args(arguments)
        .args(["--merchant", &world.test.merchant.to_string()])
        .env_clear()
        .env("QUITTANCE_DATABASE_URL", &world.database)
        .env("QUITTANCE_SEALING_KEY", SEALING_KEY)
        .env("QUITTANCE_ODOO_ALLOWED_NETWORKS", allowed)
        .output()
        .unwrap()
}

fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn an_instance_with_the_addon_is_added_its_secret_rolled_and_sending_begun_again() {
    let world = World::new().await;
    let url = "http://localhost:8069/payment/quittance/news";
    let refused = run(&world, "none", &["add-addon", "--url", url]);
    assert!(!refused.status.success());
    let line = said(&refused);
    assert!(line.contains("QUITTANCE_ODOO_ALLOWED_NETWORKS"), "{line}");

    let allowed = "127.0.0.0/8,::1/128";
    let added = answer(&run(&world, allowed, &["add-addon", "--url", url]));
    let id = added["id"].as_str().unwrap();
    let first = added["signing_secret"].as_str().unwrap();
    assert!(id.starts_with("odo_") && first.starts_with("whsec_"), "{added}");

    let again = run(&world, allowed, &["add-addon", "--url", url]);
    assert!(!again.status.success(), "an address is one instance");

    let rolled = answer(&run(
        &world,
        allowed,
        &["rotate-signing-secret", "--odoo-instance", id],
    ));
    assert_ne!(rolled["signing_secret"], first);
    let both = "signing_secret where until > now() + interval '23 hours' or until is null";
    assert_eq!(
        world.test.count(both).await,
        3,
        "the world's own, the old one and the new one"
    );

    let enabled = answer(&run(&world, allowed, &["enable", "--odoo-instance", id]));
    assert_eq!(enabled["id"], id);
    let nobody = "odo_01h455vb4pex5vsknk084sn02q";
    let unknown = run(&world, allowed, &["enable", "--odoo-instance", nobody]);
    assert!(
        said(&unknown).contains("no such odoo instance"),
        "{}",
        said(&unknown)
    );
}
