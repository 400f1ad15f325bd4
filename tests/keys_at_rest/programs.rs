//! Rotations by the program, as an operator has them: with other settings, killed, several at once.

use std::path::Path;

use quittance::domain::idempotency::Fingerprint;
use quittance::domain::ids::{MerchantId, OperationId};
use quittance::store;
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::{Options, PretendStripe};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::support::{OTHER_KEY, id, opened, sealer};
use crate::support::{SEALING_KEY, WEBHOOK_SECRET, database, eventually, now};

struct Shop {
    quittance: Quittance,
    merchant: MerchantId,
    db: PgPool,
    _stripe: PretendStripe,
}

impl Shop {
    async fn set_up(name: &str) -> Self {
        let url = database().await;
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("keys-{name}.log"));
        let quittance = Quittance::new(Path::new(env!("CARGO_BIN_EXE_quittance")), &url, &log)
            .unwrap()
            .with("QUITTANCE_SEALING_KEY", SEALING_KEY);
        let stripe = PretendStripe::start(Options::default()).await.unwrap();
        let access = StripeAccess::of(&stripe, WEBHOOK_SECRET);
        let merchant = Merchant::add(&quittance, &access, None).await.unwrap();
        Self {
            quittance,
            merchant: merchant.id.parse().unwrap(),
            db: PgPool::connect(&url).await.unwrap(),
            _stripe: stripe,
        }
    }

    /// Keeps so many answers under keys.
    async fn keep_answers(&self, count: u32) {
        let sealer = sealer(&[SEALING_KEY]);
        let mut tx = self.db.begin().await.unwrap();
        let fingerprint = Fingerprint::of("POST", "/v1/payments", &json!({}));
        for number in 0..count {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            let (merchant, operation) = (self.merchant, OperationId::generate());
            store::idempotency_records::insert(
                &mut tx,
                merchant,
                &hash,
                &fingerprint,
                operation,
                now(),
                now(),
            )
            .await
            .unwrap();
            let body = number.to_string();
            store::idempotency_records::finish(&mut tx, &sealer, merchant, &hash, 201, body.as_bytes())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn run(&self, arguments: &[&str]) -> Value {
        self.quittance.run(arguments, &[]).await.unwrap()
    }

    /// How many answers are sealed with a data key of that version.
    async fn answers_of(&self, version: i32) -> i64 {
        sqlx::query_scalar("select count(*) from idempotency_record where get_byte(body_sealed, 4) = $1")
            .bind(version)
            .fetch_one(&self.db)
            .await
            .unwrap()
    }

    async fn versions(&self) -> i64 {
        sqlx::query_scalar("select count(*) from data_key")
            .fetch_one(&self.db)
            .await
            .unwrap()
    }
}

const ROTATE: [&str; 3] = ["keys", "rotate", "--data-keys"];

#[tokio::test]
async fn a_rotation_that_is_killed_is_taken_up_where_it_stopped() {
    let shop = Shop::set_up("killed").await;
    shop.keep_answers(1_000).await;
    let before = opened(&shop.db, &[SEALING_KEY]).await;
    // What is held keeps the rotation from its end.
    let mut tx = shop.db.begin().await.unwrap();
    sqlx::query("select from idempotency_record order by key_hash desc limit 200 for update")
        .execute(&mut *tx)
        .await
        .unwrap();
    let rotation = shop.quittance.start(&ROTATE).unwrap();
    eventually(async || match shop.answers_of(2).await {
        0..300 => Err("it has not begun".to_owned()),
        _ => Ok(()),
    })
    .await;
    rotation.kill().await.unwrap();
    tx.rollback().await.unwrap();
    let left = shop.answers_of(1).await;
    assert!((200..1_000).contains(&left), "{left}");
    assert_eq!(opened(&shop.db, &[SEALING_KEY]).await, before);
    let status = shop.run(&["keys", "status"]).await;
    assert_eq!(status["data_keys"]["merchants_in_rotation"], 1, "{status:#}");

    let done = shop.run(&ROTATE).await;
    assert_eq!(
        (&done["resumed"], &done["new_data_keys"]),
        (&json!(true), &json!(0))
    );
    assert!(done["resealed"].as_i64().unwrap() >= left, "{done}");
    assert_eq!((shop.answers_of(2).await, shop.versions().await), (1_000, 2));
    assert_eq!(opened(&shop.db, &[SEALING_KEY]).await, before);
    let status = shop.run(&["keys", "status"]).await;
    assert_eq!(status["data_keys"]["merchants_in_rotation"], 0, "{status:#}");
}

#[tokio::test]
async fn several_rotations_at_once_make_one_new_key_and_seal_everything_with_it() {
    let shop = Shop::set_up("several").await;
    shop.keep_answers(500).await;
    let before = opened(&shop.db, &[SEALING_KEY]).await;
    let both = shop
        .quittance
        .clone()
        .with("QUITTANCE_SEALING_KEY", OTHER_KEY)
        .with("QUITTANCE_SEALING_KEYS_PREVIOUS", SEALING_KEY);
    let (one, two, three, four) = tokio::join!(
        both.run(&ROTATE, &[]),
        both.run(&ROTATE, &[]),
        both.run(&["keys", "rotate"], &[]),
        both.run(&["keys", "rotate"], &[]),
    );
    let made = [one.unwrap(), two.unwrap()].map(|done| done["new_data_keys"].as_i64().unwrap());
    assert_eq!(made.iter().sum::<i64>(), 1);
    three.unwrap();
    four.unwrap();
    assert_eq!((shop.answers_of(2).await, shop.versions().await), (500, 2));
    assert_eq!(opened(&shop.db, &[OTHER_KEY]).await, before);
}

#[tokio::test]
async fn a_key_is_replaced_while_the_service_runs_and_the_old_one_is_needed_no_more() {
    let shop = Shop::set_up("replaced").await;
    shop.keep_answers(10).await;
    let before = opened(&shop.db, &[SEALING_KEY]).await;
    let named = |quittance: &Quittance, key, previous| {
        quittance
            .clone()
            .with("QUITTANCE_SEALING_KEY", key)
            .with("QUITTANCE_SEALING_KEYS_PREVIOUS", previous)
    };
    // First every process may unwrap with the new key, then it wraps.
    let replica = shop
        .quittance
        .replica(&shop.quittance.log().with_extension("old.log"));
    let old = named(&replica.unwrap(), SEALING_KEY, OTHER_KEY);
    let serving = old.serve(&["--with-worker"]).await.unwrap();
    let new = named(&shop.quittance, OTHER_KEY, SEALING_KEY);
    let done = new.run(&["keys", "rotate"], &[]).await.unwrap();
    assert_eq!(
        (&done["rewrapped"], &done["key_encryption_key"]),
        (&json!(1), &json!(id(OTHER_KEY)))
    );
    let again = new.run(&["keys", "rotate"], &[]).await.unwrap();
    assert_eq!(again["rewrapped"], 0);
    let ready = reqwest::get(format!("{}/readyz", old.url())).await.unwrap();
    assert!(
        ready.status().is_success(),
        "who runs with the old key first goes on"
    );
    serving.stop().await.unwrap();

    let status = new.run(&["keys", "status"], &[]).await.unwrap();
    let keks = status["key_encryption_keys"].as_array().unwrap();
    let of = |key| keks.iter().find(|kek| kek["id"] == id(key)).unwrap();
    assert_eq!(of(SEALING_KEY)["may_be_removed"], true, "{status:#}");
    assert_eq!(of(SEALING_KEY)["data_keys"], 0);
    assert_eq!(
        (&of(OTHER_KEY)["current"], &of(OTHER_KEY)["data_keys"]),
        (&json!(true), &json!(1))
    );

    let alone = shop.quittance.clone().with("QUITTANCE_SEALING_KEY", OTHER_KEY);
    alone.serve(&[]).await.unwrap().stop().await.unwrap();
    assert_eq!(opened(&shop.db, &[OTHER_KEY]).await, before);
    let refused = shop.quittance.run(&["keys", "status"], &[]).await.unwrap_err();
    assert!(refused.to_string().contains(&id(OTHER_KEY)), "{refused}");
}

#[tokio::test]
async fn a_wrong_key_stops_the_start_with_one_line_and_nothing_is_lost() {
    let shop = Shop::set_up("wrong").await;
    shop.keep_answers(10).await;
    let before = opened(&shop.db, &[SEALING_KEY]).await;
    let wrong = shop.quittance.clone().with("QUITTANCE_SEALING_KEY", OTHER_KEY);
    for command in [
        &["serve"][..],
        &["worker"],
        &["keys", "rotate"],
        &ROTATE,
        &["keys", "status"],
    ] {
        let said = wrong.run(command, &[]).await.unwrap_err().to_string();
        let line = said.split_once("quittance: ").map(|(_, line)| line).unwrap();
        assert!(
            line.starts_with("QUITTANCE_SEALING_KEY: 1 data keys are wrapped by "),
            "{said}"
        );
        assert!(
            line.contains(&id(SEALING_KEY)) && line.contains("QUITTANCE_SEALING_KEYS_PREVIOUS"),
            "{said}"
        );
        assert_eq!(line.lines().count(), 1, "{said}");
        assert!(!line.contains(OTHER_KEY), "{said}");
    }
    assert_eq!(opened(&shop.db, &[SEALING_KEY]).await, before);
    shop.quittance.serve(&[]).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn keys_come_from_a_file_of_which_the_first_wraps() {
    let shop = Shop::set_up("file").await;
    let file = shop.quittance.log().with_extension("keys");
    std::fs::write(&file, format!("{OTHER_KEY}\n{SEALING_KEY}\n")).unwrap();
    let of_file = shop
        .quittance
        .clone()
        .with("QUITTANCE_SEALING_PROVIDER", "file")
        .with("QUITTANCE_SEALING_KEY_FILE", file.to_str().unwrap());
    let done = of_file.run(&["keys", "rotate"], &[]).await.unwrap();
    assert_eq!(
        (&done["rewrapped"], &done["key_encryption_key"]),
        (&json!(1), &json!(id(OTHER_KEY)))
    );
    std::fs::write(&file, format!("{OTHER_KEY}\n")).unwrap();
    of_file.serve(&[]).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_check_tells_how_long_a_key_takes_and_not_what_it_is() {
    let shop = Shop::set_up("check").await;
    let checked = shop.run(&["keys", "check"]).await;
    assert_eq!(checked["key_encryption_key"], id(SEALING_KEY));
    assert!(checked["unwrap_us"].as_u64().unwrap() > 0);
    assert!(
        checked["open_cached_ns"].as_u64().unwrap() < 1_000_000,
        "{checked}"
    );
}
