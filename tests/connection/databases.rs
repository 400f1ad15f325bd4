//! Which database and company a key belongs to.

use quittance::app::auth::Administered;
use quittance::app::setup;
use quittance::app::setup::api_keys;
use quittance::domain::ids::ProviderAccountId;
use quittance::provider::ProviderAccount;
use quittance_sandbox::addon::PretendAddon;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::Duration;

use super::{COPY, DATABASE, HEADER, Odoo, PATH, instance_of, serving};
use crate::events::as_key;
use crate::support::{Reply, payment};

#[tokio::test]
async fn a_copy_of_the_database_cannot_use_the_originals_key() {
    let test = serving().await;
    let original = Odoo::new(&test, DATABASE, "1").await;
    original.connected(json!({})).await;
    original.pay("S1").await.expect(StatusCode::CREATED);
    let copy = Odoo {
        key: original.key.clone(),
        ..Odoo::new(&test, COPY, "1").await
    };
    for refused in [
        copy.pay("S2").await,
        copy.connect(json!({})).await,
        copy.send(Method::GET, PATH, "unused", None).await,
        copy.send(Method::GET, "/v1/payments", "unused", None).await,
        // It says that it is the original, and yet wants to be connected as what it is.
        original.connect(json!({ "database": COPY })).await,
    ] {
        assert_eq!(refused.expect(StatusCode::FORBIDDEN)["code"], "database_mismatch");
    }
    assert_eq!(
        (test.count("payment").await, test.count("odoo_instance").await),
        (1, 1)
    );
    let anew = Odoo::new(&test, COPY, "1").await;
    let connected = anew.connected(json!({})).await;
    let paid = anew.pay("S3").await.expect(StatusCode::CREATED);
    assert_eq!(instance_of(&test, &paid).await, connected["odoo_instance"]);
}

#[tokio::test]
async fn what_changes_something_must_say_which_database_it_comes_from_and_what_looks_need_not() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    odoo.connected(json!({})).await;
    let body = payment("S1", json!({}));
    let ask = async |method: Method, headers: &[&str]| {
        let mut request = test
            .request(method, "/v1/payments")
            .header("Idempotency-Key", "k");
        for name in headers {
            request = request.header(HEADER, *name);
        }
        Reply::of(as_key(request.json(&body), &odoo.key)).await
    };
    let missing = ask(Method::POST, &[]).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(
        (&missing["code"], &missing["field"]),
        (&json!("database_missing"), &json!(HEADER))
    );
    ask(Method::GET, &[]).await.expect(StatusCode::OK);
    for headers in [&[DATABASE, DATABASE][..], &[DATABASE, COPY], &[""]] {
        let refused = ask(Method::POST, headers).await.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused["code"], "database_mismatch", "{headers:?}");
    }
    ask(Method::POST, &[DATABASE]).await.expect(StatusCode::CREATED);
    // A key that nothing was connected with is bound to nothing.
    test.create(
        "S2",
        json!({ "odoo_instance": odoo.look().await["odoo_instance"] }),
    )
    .await
    .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_key_that_is_rolled_stays_bound_and_shows_to_which_odoo() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    let connected = odoo.connected(json!({})).await;
    let app = test.application().app();
    let by = Administered::at_the_command_line(test.merchant);
    let keys = api_keys::list(app, &by, None, 10).await.unwrap().data;
    let bound = keys.iter().find(|key| key.binding.is_some()).unwrap();
    let rolled = api_keys::roll(app, &by, bound.id, Duration::hours(1))
        .await
        .unwrap();
    let binding = rolled.key.binding.clone().unwrap();
    assert_eq!(binding.odoo_instance.to_string(), connected["odoo_instance"]);
    let next = Odoo {
        key: rolled.text.expose_secret().to_owned(),
        ..Odoo::new(&test, DATABASE, "1").await
    };
    assert_eq!(next.look().await["odoo_instance"], connected["odoo_instance"]);
    let copy = Odoo {
        key: next.key.clone(),
        ..Odoo::new(&test, COPY, "1").await
    };
    assert_eq!(
        copy.pay("S1").await.expect(StatusCode::FORBIDDEN)["code"],
        "database_mismatch"
    );
}

#[tokio::test]
async fn payments_go_to_the_odoo_and_the_account_that_their_key_was_connected_with() {
    let test = serving().await;
    let app = test.application().app();
    let second = ProviderAccount {
        merchant_id: test.merchant,
        id: ProviderAccountId::generate(),
        provider: "stripe".to_owned(),
        live: false,
        external_account: None,
        api_base: test.stripe.url().parse().unwrap(),
        secret_key: test.stripe.secret_key().to_owned().into(),
        publishable_key: None,
    };
    setup::add_provider_account(app, &second, None).await.unwrap();
    let accounts = [test.account, second.id];
    let odoos = [
        Odoo::new(&test, DATABASE, "1").await,
        Odoo::new(&test, DATABASE, "2").await,
    ];
    let needs = odoos[0]
        .connect(json!({}))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(needs["code"], "provider_account_required");
    for (odoo, account) in odoos.iter().zip(accounts) {
        let connected = odoo.connected(json!({ "provider_account": account })).await;
        let paid = odoo.pay(odoo.company).await.expect(StatusCode::CREATED);
        assert_eq!(paid["provider_account"], account.to_string());
        assert_eq!(instance_of(&test, &paid).await, connected["odoo_instance"]);
    }
    let taken = odoos[0]
        .connect(json!({ "company": "2" }))
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(taken["code"], "company_mismatch");
}

#[tokio::test]
async fn the_same_database_at_two_merchants_is_two_instances_and_neither_sees_the_others() {
    let test = serving().await;
    let ours = Odoo::new(&test, DATABASE, "1").await;
    let connected = ours.connected(json!({})).await;
    let app = test.application().app();
    let other = setup::add_merchant(app, "B").await.unwrap();
    let (_, key) = setup::create_api_key(app, other, "b", false).await.unwrap();
    let theirs = Odoo {
        key: key.text.expose_secret().to_owned(),
        ..Odoo::new(&test, DATABASE, "1").await
    };
    theirs
        .send(Method::GET, PATH, "unused", None)
        .await
        .expect(StatusCode::NOT_FOUND);
    let stolen = theirs.connect(json!({ "provider_account": test.account })).await;
    stolen.expect(StatusCode::NOT_FOUND);
    let account = ProviderAccount {
        merchant_id: other,
        id: ProviderAccountId::generate(),
        provider: "stripe".to_owned(),
        live: false,
        external_account: None,
        api_base: test.stripe.url().parse().unwrap(),
        secret_key: test.stripe.secret_key().to_owned().into(),
        publishable_key: None,
    };
    setup::add_provider_account(app, &account, None).await.unwrap();
    let own = theirs.connected(json!({})).await;
    assert_ne!(own["odoo_instance"], connected["odoo_instance"]);
    assert_eq!(
        (&own["merchant"], &own["keeps_books"]),
        (&json!(other.to_string()), &json!(true))
    );
}

#[tokio::test]
async fn an_instance_is_shown_with_its_database_and_company() {
    let test = serving().await;
    let addon = PretendAddon::start().await.unwrap();
    let odoo = Odoo {
        url: addon.url(),
        ..Odoo::new(&test, DATABASE, "1").await
    };
    odoo.connected(json!({})).await;
    let app = test.application().app();
    let by = Administered::at_the_command_line(test.merchant);
    let found = setup::odoo_instances::list(app, &by, None, 10).await.unwrap();
    let shown: Value = serde_json::to_value(quittance::http::OdooInstanceList::from(&found)).unwrap();
    let shown = &shown["data"][0];
    assert_eq!(
        (&shown["database"], &shown["company"], &shown["company_name"]),
        (&json!(DATABASE), &json!("1"), &json!("My company"))
    );
    assert_eq!(
        (&shown["odoo_version"], &shown["addon_version"]),
        (&json!("19.0"), &json!("1.0.0"))
    );
}
