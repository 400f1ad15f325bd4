//! How an Odoo is found to be what it is, and what follows from that.

use std::time::Duration;

use quittance::app::setup;
use quittance::odoo::OdooSink;
use quittance::sink::{Books, BooksRequest, Sink, SinkError};
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::odoo::{Options, PretendOdoo, Version};
use reqwest::StatusCode;
use serde_json::json;
use time::macros::date;

use crate::support::{TestApp, eventually};

async fn pretend(version: Version) -> PretendOdoo {
    let options = Options {
        version,
        ..Options::default()
    };
    PretendOdoo::start(options).await.unwrap()
}

fn sink() -> OdooSink {
    OdooSink::new(Duration::from_secs(5), "127.0.0.0/8".parse().unwrap()).unwrap()
}

fn request() -> BooksRequest {
    BooksRequest {
        journal_code: "STRP".to_owned(),
        fee_account_code: "621000".to_owned(),
    }
}

async fn set_up(sink: &OdooSink, odoo: &PretendOdoo, login: Option<&str>) -> Result<Books, SinkError> {
    let (url, key) = (odoo.url().parse().unwrap(), odoo.api_key().into());
    sink.set_up(&url, &odoo.database(), login, &key, &request()).await
}

/// Counts the requests that fit, from now on.
fn watch(odoo: &PretendOdoo, pattern: &str) {
    odoo.faults()
        .times(1_000, Matcher::path(pattern), Fault::Delay(Duration::ZERO));
}

fn seen(odoo: &PretendOdoo) -> usize {
    odoo.faults().fired().len()
}

#[tokio::test]
async fn version_and_user_are_asked_for_once_and_not_before_every_call() {
    for (version, asked) in [(Version::V19, 1), (Version::V18, 2), (Version::V17, 2)] {
        let odoo = pretend(version).await;
        let (sink, login) = (sink(), odoo.login());
        watch(&odoo, "/web/**");
        watch(&odoo, "/jsonrpc/common/**");

        for _ in 0..3 {
            set_up(&sink, &odoo, Some(&login)).await.unwrap();
        }

        assert_eq!(seen(&odoo), asked, "{version:?}");
    }
}

#[tokio::test]
async fn an_older_odoo_without_a_login_is_refused_with_what_to_give() {
    let odoo = pretend(Version::V18).await;

    let answer = set_up(&sink(), &odoo, None).await;

    let Err(SinkError::Refused { message }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(
        message.told(),
        "Odoo 18 takes a key with its user's login only: add the instance with --login"
    );
}

#[tokio::test]
async fn a_wrong_login_is_told_as_a_key_that_is_not_accepted() {
    let odoo = pretend(Version::V18).await;

    let answer = set_up(&sink(), &odoo, Some("nobody")).await;

    assert!(
        matches!(answer, Err(SinkError::Unauthorized { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_odoo_that_is_busy_when_asked_for_its_version_is_unreachable_and_asked_again() {
    let odoo = pretend(Version::V18).await;
    let (sink, login) = (sink(), odoo.login());
    odoo.faults()
        .next(Matcher::path("/web/webclient/version_info"), Fault::Unavailable);

    let busy = set_up(&sink, &odoo, Some(&login)).await;
    let then = set_up(&sink, &odoo, Some(&login)).await;

    assert!(matches!(busy, Err(SinkError::Unreachable { .. })), "{busy:?}");
    assert!(then.is_ok(), "{then:?}");
}

#[tokio::test]
async fn an_upgrade_is_noticed_by_the_call_that_it_breaks() {
    let odoo = pretend(Version::V17).await;
    let (sink, login) = (sink(), odoo.login());
    set_up(&sink, &odoo, Some(&login)).await.unwrap();

    odoo.upgrade(Version::V19);
    // 17 is asked for rights in words that 19 does not know.
    let broken = set_up(&sink, &odoo, Some(&login)).await;
    watch(&odoo, "/json/2/**");
    let then = set_up(&sink, &odoo, Some(&login)).await;

    assert!(matches!(broken, Err(SinkError::Refused { .. })), "{broken:?}");
    assert!(then.is_ok(), "{then:?}");
    assert!(seen(&odoo) > 0, "JSON-2 is what 19 is spoken to in");
}

#[tokio::test]
async fn an_instance_keeps_the_login_that_it_was_added_with() {
    let test = TestApp::spawn().await;
    let odoo = pretend(Version::V18).await;
    let (url, login) = (odoo.url().parse().unwrap(), Some(odoo.login()));
    setup::add_odoo_instance(
        test.application().app(),
        test.merchant,
        url,
        odoo.database(),
        login,
        odoo.api_key().into(),
        Some(&request()),
    )
    .await
    .unwrap();
    let invoice = odoo
        .add_invoice("Azure Interior", 12_100, "EUR", date!(2026 - 11 - 01))
        .unwrap();

    let settles = json!([{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }]);
    let wish = json!({ "payment_method": "pm_card_visa", "settles": settles });
    test.create("S1", wish).await.expect(StatusCode::CREATED);

    eventually(async || match odoo.statement_lines().len() {
        1 => Ok(()),
        lines => Err(format!("{lines} statement lines")),
    })
    .await;
    assert_eq!(odoo.invoices()[0].payment_state, "paid");
}
