//! A key-encryption key that never leaves Vault.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quittance::crypto::{Kek, KekError, KeyPlace, KeyRing, LocalKek, Sealer};
use quittance::vault::TransitKek;
use quittance_sandbox::service::Quittance;
use quittance_sandbox::vault::{Manner, PretendVault, TOKEN};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::support::{id, opened};
use crate::support::{SEALING_KEY, database};

const PLACE: KeyPlace = KeyPlace {
    merchant: Uuid::from_u128(1),
    version: 1,
};

fn token(name: &str, text: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vault-{name}.token"));
    std::fs::write(&file, text).unwrap();
    file
}

fn transit(vault: &PretendVault, token: &Path) -> TransitKek {
    TransitKek::new(&vault.url(), "transit/quittance", token.to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn vault_wraps_binds_and_names_the_version_of_its_key() {
    let vault = PretendVault::start().await.unwrap();
    let kek = transit(&vault, &token("binds", &format!("{TOKEN}\n")));
    kek.check().await.unwrap();
    assert_eq!(kek.id(), "vault:transit/quittance:v1");
    let ring = KeyRing::new(Arc::new(kek), vec![]);
    let (_, wrapped) = ring.generate(PLACE).await.unwrap();
    ring.unwrap(PLACE, &wrapped).await.unwrap();
    for place in [
        KeyPlace { version: 2, ..PLACE },
        KeyPlace {
            merchant: Uuid::from_u128(2),
            ..PLACE
        },
    ] {
        let kek = "vault:transit/quittance".to_owned();
        let refused = ring.unwrap(place, &wrapped).await.unwrap_err();
        assert_eq!(refused, KekError::Refused { kek }.into());
    }
    vault.rotate();
    let anew = ring.rewrap(PLACE, &wrapped).await.unwrap();
    assert_eq!(anew.kek, "vault:transit/quittance:v2");
    assert_eq!(ring.current().id(), anew.kek);
    assert!(ring.unwraps(&wrapped.kek), "a version before unwraps still");
}

#[tokio::test]
async fn a_vault_that_is_sealed_refuses_or_does_not_bind_is_told_in_one_line_without_the_token() {
    let vault = PretendVault::start().await.unwrap();
    let good = token("good", TOKEN);
    let line = async |kek: &TransitKek| {
        let line = kek.check().await.unwrap_err().to_string();
        assert!(!line.contains("hvs.") && line.lines().count() == 1, "{line}");
        line
    };
    vault.behave(Manner::Sealed);
    assert!(line(&transit(&vault, &good)).await.contains("503"));
    vault.behave(Manner::Old);
    assert!(line(&transit(&vault, &good)).await.contains("associated_data"));
    vault.behave(Manner::Good);
    assert!(
        line(&transit(&vault, &token("bad", "hvs.other")))
            .await
            .contains("403")
    );
    assert!(
        line(&transit(&vault, Path::new("/nowhere")))
            .await
            .contains("token")
    );
    let away = TransitKek::new("http://127.0.0.1:1", "transit/quittance", good.to_str().unwrap()).unwrap();
    line(&away).await;
}

#[test]
fn a_token_is_sent_to_no_address_that_others_can_read() {
    for address in [
        "http://vault:8200",
        "ftp://127.0.0.1",
        "vault",
        "http://10.0.0.1:8200",
    ] {
        let refused = TransitKek::new(address, "transit/quittance", "/token");
        assert!(refused.is_err(), "{address}");
    }
    for key in [
        "quittance",
        "transit/../sys/quittance",
        "transit/",
        "transit/a b",
        "/x?y",
    ] {
        assert!(
            TransitKek::new("https://vault:8200", key, "/token").is_err(),
            "{key}"
        );
    }
    assert!(TransitKek::new("https://vault:8200", "secret/transit/quittance", "/token").is_ok());
}

#[tokio::test]
async fn an_installation_moves_to_vault_and_needs_its_own_key_no_more() {
    let url = database().await;
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys-vault.log");
    let before = Quittance::new(Path::new(env!("CARGO_BIN_EXE_quittance")), &url, &log)
        .unwrap()
        .with("QUITTANCE_SEALING_KEY", SEALING_KEY);
    before
        .run(&["merchant", "add", "--name", "ACME"], &[])
        .await
        .unwrap();
    let vault = PretendVault::start().await.unwrap();
    let token = token("moves", TOKEN);
    let both = before
        .clone()
        .with("QUITTANCE_SEALING_PROVIDER", "vault")
        .with("QUITTANCE_VAULT_ADDRESS", &vault.url())
        .with("QUITTANCE_VAULT_TOKEN_FILE", token.to_str().unwrap());
    let done = both.run(&["keys", "rotate"], &[]).await.unwrap();
    assert_eq!(
        (&done["rewrapped"], &done["key_encryption_key"]),
        (&json!(1), &json!("vault:transit/quittance:v1"))
    );
    let status = both.run(&["keys", "status"], &[]).await.unwrap();
    let keks = status["key_encryption_keys"].as_array().unwrap();
    let old = keks.iter().find(|kek| kek["id"] == id(SEALING_KEY)).unwrap();
    assert_eq!(old["may_be_removed"], true, "{status:#}");

    vault.rotate();
    let done = both.run(&["keys", "rotate"], &[]).await.unwrap();
    assert_eq!(
        (&done["rewrapped"], &done["key_encryption_key"]),
        (&json!(1), &json!("vault:transit/quittance:v2")),
        "its own rotation is followed"
    );

    // A secret that is sealed and opened with it, and Vault is asked once.
    let db = PgPool::connect(&url).await.unwrap();
    let mut conn = db.acquire().await.unwrap();
    let merchant = quittance::store::merchants::list(&mut conn).await.unwrap()[0];
    let local = LocalKek::parse(&SEALING_KEY.to_owned().into()).unwrap();
    let over_vault = Sealer::new(KeyRing::new(
        Arc::new(transit(&vault, &token)),
        vec![Arc::new(local)],
    ));
    let place = quittance::store::sealed::SEALED[0]
        .place_of(merchant, Uuid::from_u128(5).as_bytes())
        .unwrap();
    let asked = vault.requests();
    for _ in 0..10 {
        let sealed = over_vault.seal(&mut conn, place, b"x").await.unwrap();
        assert_eq!(
            over_vault
                .open(&mut conn, place, &sealed)
                .await
                .unwrap()
                .as_slice(),
            b"x"
        );
    }
    assert_eq!(vault.requests(), asked + 1);
    assert!(opened(&db, &[SEALING_KEY]).await.is_empty());

    vault.behave(Manner::Sealed);
    let said = both.run(&["keys", "status"], &[]).await.unwrap_err().to_string();
    assert!(
        said.contains("QUITTANCE_SEALING_PROVIDER: vault:transit/quittance cannot be used"),
        "{said}"
    );
}
