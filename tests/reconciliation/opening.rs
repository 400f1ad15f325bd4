//! An account with a past: it begins at a date, and its books are right from there on.

use std::collections::BTreeMap;

use quittance::app::reconciliation::opening;
use quittance::app::setup;
use quittance::domain::ids::ProviderAccountId;
use quittance::provider::ProviderAccount;
use quittance::startup::Role;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::month::{Asked, Month};
use quittance_sandbox::stripe::{Extra, Options, PayoutKind, Settlement, Verdict};
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::{Date, Duration, OffsetDateTime, UtcOffset};

use super::{audit, balances, open, paid, paid_with_lines, reconcile};
use crate::events::commands::run;
use crate::support::{NewForTests, TestApp, Wishes, database, eventually, now};

/// The day before yesterday: the day on which the books begin.
fn date() -> Date {
    now().to_offset(UtcOffset::UTC).date() - Duration::days(2)
}

fn at(date: Date) -> OffsetDateTime {
    date.midnight().assume_utc()
}

/// What the ledger holds of an account of its own.
async fn held(test: &TestApp, account: &str) -> i64 {
    let found = balances(&test.db).await;
    let of = found
        .iter()
        .filter(|(name, currency, _)| name == account && currency == "EUR");
    of.map(|(.., minor)| *minor).sum()
}

async fn opened(test: &TestApp, date: Date) -> Result<opening::Opened, String> {
    let app = test.application().app();
    let opened = opening::open(app, test.merchant, test.account, date).await;
    opened.map_err(|error| {
        let source = std::error::Error::source(&error);
        format!("{error}: {}", source.map(ToString::to_string).unwrap_or_default())
    })
}

#[tokio::test]
async fn an_account_with_a_past_opens_with_what_was_there_and_is_explained_from_then_on() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let before = at(date()).unix_timestamp() - 86_400;
    test.stripe.set_date(Some(before));
    let disputed = test.stripe.pay_in_dashboard(20_000, "eur").unwrap();
    test.stripe.pay_in_dashboard(50_000, "eur").unwrap();
    let dispute = test.stripe.dispute(&disputed, "fraudulent").unwrap();
    let on_its_way = test.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    test.stripe.pay_in_dashboard(7_700, "eur").unwrap();
    let held_then = test.stripe.balance("eur");
    let paid_out = -sum(&test, "payout");

    // From here on the books are ours.
    test.stripe.set_date(None);
    test.stripe.land_payout(&on_its_way).unwrap();
    test.stripe.decide_dispute(&dispute, Verdict::Won).unwrap();
    for reference in ["S1", "S2"] {
        paid(&test, reference, json!({})).await;
    }
    test.stripe.settle();
    let opened_with = opened(&test, date()).await.unwrap();
    let balance = &opened_with.balances[0];
    assert_eq!(
        (
            balance.amount_minor,
            balance.in_transit_minor,
            balance.disputed_minor
        ),
        (held_then, paid_out, 20_000)
    );
    reconcile(&test, at(date())).await;

    assert_eq!(held(&test, "provider_balance").await, test.stripe.balance("eur"));
    assert_eq!(held(&test, "disputes").await, 0, "what it had taken came back");
    assert_eq!(held(&test, "in_transit").await, 0, "it arrived");
    assert_eq!(held(&test, "bank").await, paid_out);
    assert_eq!(held(&test, "opening").await, -(held_then + paid_out + 20_000));
    assert_eq!(held(&test, "receivable_clearing").await, -24_200, "ours alone");
    assert_eq!(held(&test, "suspense").await, 0, "nothing from before is booked");
    let audit = audit(&test).await;
    assert_eq!(audit["explained"], true, "{audit:#}");
    assert_eq!(
        audit["balances"][0]["opening"],
        json!({ "date": date().to_string(), "amount_minor": held_then })
    );
    assert_eq!(audit["payouts"]["explained_count"], 1, "{audit:#}");

    let booked = balances(&test.db).await;
    let again = opened(&test, date()).await.unwrap();
    assert_eq!((again.booked, again.balances), (0, opened_with.balances));
    assert_eq!(balances(&test.db).await, booked, "the same again is the same");
}

/// The nets of Stripe's lines of a type.
fn sum(test: &TestApp, kind: &str) -> i64 {
    let lines = test.stripe.balance_transactions();
    let of = lines.iter().filter(|line| line["type"] == kind);
    of.map(|line| line["net"].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn what_odoos_own_module_took_is_named_with_its_reference_and_posted_nowhere() {
    let test = TestApp::spawn_with_odoo().await;
    test.stripe.set_date(Some(at(date()).unix_timestamp() - 86_400));
    test.stripe.pay_elsewhere(5_000, "eur", "S00041").unwrap();
    test.stripe.set_date(None);
    let charge = test.stripe.pay_elsewhere(6_000, "eur", "S00042-1").unwrap();
    test.stripe.pay_in_dashboard(700, "eur").unwrap();
    opened(&test, date()).await.unwrap();
    reconcile(&test, at(date())).await;
    let mut open = open(&audit(&test).await);
    open.sort_by_key(|(_, detail)| detail.contains("payment_stripe"));
    assert_eq!(open.len(), 2, "the one from before is no difference: {open:?}");
    let named = &open[1].1;
    assert!(
        named.contains(&charge) && named.contains("looks like S00042-1 of Odoo's own payment_stripe"),
        "{named}"
    );
    assert!(!open[0].1.contains("payment_stripe"), "{open:?}");
    assert_eq!(test.count("outbox_message").await, 0, "nothing is posted");
    assert_eq!(held(&test, "suspense").await, -6_700);
}

#[tokio::test]
async fn an_opening_is_refused_where_it_cannot_be_right() {
    let test = TestApp::spawn().await;
    let ahead = opened(&test, now().date() + Duration::days(2)).await.unwrap_err();
    assert!(ahead.contains("has not begun"), "{ahead}");
    paid_with_lines(&test, 1).await;
    eventually(async || match test.count("ledger_transaction").await {
        1 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    sqlx::query("alter table ledger_transaction disable trigger user")
        .execute(&test.db)
        .await
        .unwrap();
    sqlx::query("update ledger_transaction set occurred_at = occurred_at - interval '9 days'")
        .execute(&test.db)
        .await
        .unwrap();
    let late = opened(&test, date()).await.unwrap_err();
    assert!(late.contains("txn_") && late.contains("booked already"), "{late}");
    assert_eq!(test.count("opening").await, 0);
    sqlx::query("alter table ledger_transaction enable trigger user")
        .execute(&test.db)
        .await
        .unwrap();

    let early = date() - Duration::days(20);
    opened(&test, early).await.unwrap();
    let other = opened(&test, date()).await.unwrap_err();
    assert!(other.contains(&format!("begin on {early} already")), "{other}");
    let unbooked =
        "insert into ledger_transaction (merchant_id, provider_account_id, id, source, occurred_at)
        select merchant_id, id, gen_random_uuid(), 'x', now() - interval '40 days' from provider_account";
    let refused = sqlx::query(unbooked)
        .execute(&test.db)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("before the opening"), "{refused}");
}

#[tokio::test]
async fn a_balance_that_never_stands_still_is_said_to_move_and_by_how_much() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    test.stripe.set_date(Some(at(date()).unix_timestamp() - 86_400));
    test.stripe.write_line(Extra::Topup, 10_000, "eur");
    test.stripe.set_date(None);
    // Neither the balance before the lines nor the one after them is that of the lines.
    for read in ["/v1/balance", "/v1/balance_transactions"] {
        let slow = Fault::Delay(std::time::Duration::from_millis(300));
        test.stripe
            .faults()
            .always(Matcher::method_path("GET", read), slow);
    }
    // It grows while it is read, each time by more.
    let growing = async {
        for cents in 1.. {
            test.stripe.write_line(Extra::StripeFee, -cents, "eur");
            tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        }
    };
    let refused = tokio::select! {
        opened = opened(&test, date()) => opened.unwrap_err(),
        () = growing => unreachable!("it grows for ever"),
    };
    assert!(refused.contains("moved by EUR -"), "{refused}");
    assert_eq!(
        test.count("ledger_transaction where source like 'opening:%'")
            .await,
        0
    );
    test.stripe.faults().clear();
    let later = opened(&test, date()).await.unwrap();
    assert_eq!(later.balances[0].amount_minor, 10_000);
    reconcile(&test, at(date())).await;
    assert_eq!(audit(&test).await["explained"], true);
}

#[tokio::test]
async fn whatever_the_day_that_books_begin_on_the_month_after_it_is_right() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        stripe: Options {
            settlement: Settlement::OnDemand,
            ..Options::default()
        },
        ..Wishes::default()
    })
    .await;
    let month = Month::plan(11, 60);
    let client = reqwest::Client::new_for_tests();
    month
        .happen(&test.stripe, async |asked| ask(&test, &client, asked).await)
        .await
        .unwrap();
    let app = test.application().app();
    for day in [2, 6, 12, 13, 19, 20, 31, 34] {
        let date = time::macros::date!(2026 - 09 - 30) + Duration::days(day);
        let account = ProviderAccount {
            merchant_id: test.merchant,
            id: ProviderAccountId::generate(),
            provider: "stripe".to_owned(),
            live: false,
            external_account: None,
            api_base: test.stripe.url().parse().unwrap(),
            secret_key: test.stripe.secret_key().to_owned().into(),
            publishable_key: None,
        };
        setup::add_provider_account(app, &account, None).await.unwrap();
        opening::open(app, test.merchant, account.id, date).await.unwrap();
        let waits = format!(
            "balance_transaction where book_at is not null and provider_account_id = '{}'",
            account.id.uuid()
        );
        eventually(async || match test.count(&waits).await {
            0 => Ok(()),
            left => Err(format!("{left} lines")),
        })
        .await;
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "select account, currency, sum(amount_minor)::bigint from ledger_entry where provider_account_id = $1
             group by account, currency having sum(amount_minor) <> 0",
        )
        .bind(account.id)
        .fetch_all(&test.db)
        .await
        .unwrap();
        let of = |name: &str| -> BTreeMap<String, i64> {
            let found = rows.iter().filter(|(account, ..)| account == name);
            found
                .map(|(_, code, minor)| (code.to_lowercase(), *minor))
                .collect()
        };
        let mut totals = month.totals();
        totals.retain(|_, minor| *minor != 0);
        assert_eq!(of("provider_balance"), totals, "{date}");
        assert_eq!(of("in_transit"), BTreeMap::new(), "{date}: {rows:?}");
        assert_eq!(of("disputes"), lost_since(&test, at(date)), "{date}: {rows:?}");
    }
    let audit = audit(&test).await;
    for balance in audit["balances"].as_array().unwrap() {
        let is_opened = balance["provider_account"] != test.account.to_string();
        assert!(!is_opened || balance["difference_minor"] == 0, "{balance:#}");
    }
}

/// What disputes have taken and kept, of those that moved anything since.
fn lost_since(test: &TestApp, at: OffsetDateTime) -> BTreeMap<String, i64> {
    let mut lost = BTreeMap::new();
    for dispute in test.stripe.disputes() {
        let lines = dispute["balance_transactions"].as_array().unwrap();
        let is_later = |line: &Value| line["created"].as_i64().unwrap() >= at.unix_timestamp();
        if lines.iter().any(is_later) {
            for line in lines {
                let currency = line["currency"].as_str().unwrap().to_owned();
                *lost.entry(currency).or_default() -= line["amount"].as_i64().unwrap();
            }
        }
    }
    lost.retain(|_, minor| *minor != 0);
    lost
}

/// Asks Stripe itself, as Odoo's own module would.
async fn ask(test: &TestApp, client: &reqwest::Client, asked: Asked) -> anyhow::Result<String> {
    let (path, form) = match asked {
        Asked::Pay(payment) => (
            "payment_intents",
            format!(
                "amount={}&currency={}&payment_method=pm_card_visa&payment_method_types[]=card&confirm=true\
                 &capture_method=automatic_async&description={}",
                payment.amount, payment.currency, payment.reference
            ),
        ),
        Asked::Refund { payment, amount, .. } => {
            let intents = test.stripe.payment_intents();
            let paid = intents
                .iter()
                .find(|intent| intent["description"] == payment.reference);
            let id = paid.unwrap()["id"].as_str().unwrap();
            ("refunds", format!("payment_intent={id}&amount={amount}"))
        }
    };
    let made = client
        .post(format!("{}/v1/{path}", test.stripe.url()))
        .bearer_auth(test.stripe.secret_key())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await?;
    assert_eq!(made.status(), StatusCode::OK);
    let made: Value = made.json().await?;
    Ok(made["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_command_opens_an_account_and_takes_one_beginning_only() {
    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    test.stripe.set_date(Some(at(date()).unix_timestamp() - 86_400));
    test.stripe.write_line(Extra::Topup, 10_000, "eur");
    test.stripe.set_date(None);
    test.stripe.write_line(Extra::StripeFee, -200, "eur");
    let (merchant, account) = (test.merchant.to_string(), test.account.to_string());
    let reconcile = [
        "reconcile",
        "--merchant",
        &merchant,
        "--provider-account",
        &account,
    ];
    let day = date().to_string();
    let answer = run(&url, &[&reconcile[..], &["--opening", &day]].concat())
        .await
        .unwrap();
    assert_eq!(
        answer,
        json!({
            "provider_account": account, "opening": day, "booked": 1, "in_flight": [],
            "balances": [{ "currency": "EUR", "amount_minor": 10_000, "in_transit_minor": 0, "disputed_minor": 0 }],
        })
    );
    for (arguments, refusal) in [
        (vec!["--opening", "2026-01-01"], "begin on"),
        (vec!["--opening", "someday"], "must be a day"),
        (
            vec!["--opening", &day, "--since", "2026-01-01T00:00:00Z"],
            "cannot be used with",
        ),
        (vec![], "required"),
    ] {
        let refused = run(&url, &[&reconcile[..], &arguments].concat())
            .await
            .unwrap_err();
        assert!(refused.contains(refusal), "{arguments:?}: {refused}");
    }
    let audited = run(&url, &["audit", "--merchant", &merchant, "--full"])
        .await
        .unwrap();
    assert_eq!(audited["balances"][0]["opening"]["amount_minor"], 10_000);
}
