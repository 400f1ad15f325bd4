//! The chain of who did what: it is whole, and whatever is done to it shows.

mod acts;

use std::net::IpAddr;

use futures::future::join_all;
use quittance::app::audit_log::{self, Verified};
use quittance::app::auth::{Administered, Caller, Principal};
use quittance::app::personal;
use quittance::domain::audit_log::{Broken, hex};
use quittance::domain::ids::{ApiKeyId, CustomerId};
use quittance::domain::scope::Scope;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::TestApp;

/// Who acts with a key of the merchant's, in a request.
fn administrator(test: &TestApp, address: IpAddr) -> Administered {
    let caller = Caller {
        merchant_id: test.merchant,
        key_id: ApiKeyId::generate(),
        live: false,
        binding: None,
        scopes: vec![Scope::Admin],
        address,
        request_id: None,
    };
    let principal = Principal::Caller(caller).in_request("req_1");
    principal.administrator().unwrap().over(test.merchant).unwrap()
}

/// A service whose merchant's chain has so many entries.
async fn with_entries(count: usize) -> TestApp {
    let test = TestApp::spawn().await;
    let body = json!({ "partner": "p1", "name": "Ada" });
    let customer = test
        .post("/v1/customers", "c1", &body)
        .await
        .expect(StatusCode::OK);
    let customer: CustomerId = customer["id"].as_str().unwrap().parse().unwrap();
    let app = test.application().app();
    let before = verify(&test).await.chain.entries;
    let address: IpAddr = "192.0.2.7".parse().unwrap();
    let by = administrator(&test, address);
    let missing = count - usize::try_from(before).unwrap();
    join_all((0..missing).map(async |_| {
        personal::export(app, &by, customer).await.unwrap();
    }))
    .await;
    test
}

async fn verify(test: &TestApp) -> Verified {
    audit_log::verify(test.application().app(), test.merchant, None)
        .await
        .unwrap()
}

/// What a person with the rights of the database's owner can do.
async fn tamper(test: &TestApp, statements: &[&str]) {
    let all = [
        "alter table audit_entry disable trigger all",
        "alter table audit_origin disable trigger all",
    ];
    for sql in all.iter().chain(statements) {
        sqlx::raw_sql(sqlx::AssertSqlSafe((*sql).to_owned()))
            .execute(&test.db)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn acts_of_many_at_once_make_one_chain_without_gaps() {
    let test = with_entries(40).await;
    let verified = verify(&test).await;
    assert_eq!((verified.broken, verified.chain.entries), (None, 40));
    let newest = audit_log::list(test.application().app(), test.merchant, None, 2)
        .await
        .unwrap();
    let (entry, known) = (&newest.data[0], (40, newest.data[0].hash.clone()));
    assert_eq!(
        (
            entry.sequence,
            entry.action.as_str(),
            entry.actor.starts_with("key_"),
            entry.request_id.as_deref()
        ),
        (40, "merchant.export", true, Some("req_1"))
    );
    assert_eq!(
        entry.origin.as_ref().map(|(address, _)| address.as_str()),
        Some("192.0.2.7")
    );
    let app = test.application().app();
    let again = audit_log::verify(app, test.merchant, Some(&known)).await.unwrap();
    assert_eq!(again.broken, None);
    assert_eq!(hex(&again.chain.hash), hex(&known.1));
}

#[tokio::test]
async fn an_entry_that_is_changed_removed_or_moved_is_found() {
    for (done, found) in [
        (
            &["update audit_entry set subject = 'pay_2' where sequence = 9"][..],
            Broken::Entry(9),
        ),
        (
            &["update audit_entry set actor = 'somebody' where sequence = 1"],
            Broken::Entry(1),
        ),
        (
            &["update audit_entry set at = at + interval '1 microsecond' where sequence = 12"],
            Broken::Entry(12),
        ),
        (
            &["update audit_origin set address = '192.0.2.8' where sequence = 10"],
            Broken::Origin(10),
        ),
        (
            &[
                "delete from audit_origin where sequence = 9",
                "delete from audit_entry where sequence = 9",
            ],
            Broken::Gap {
                expected: 9,
                found: 10,
            },
        ),
        (
            &[
                "delete from audit_origin where sequence = 12",
                "delete from audit_entry where sequence = 12",
            ],
            Broken::End {
                entries: 11,
                expected: 12,
            },
        ),
        (
            &[
                "delete from audit_origin",
                "update audit_entry set sequence = sequence + 100 where sequence in (9, 10)",
                "update audit_entry set sequence = case sequence when 109 then 10 else 9 end where sequence > 100",
            ],
            Broken::Link(9),
        ),
    ] {
        let test = with_entries(12).await;
        tamper(&test, done).await;
        assert_eq!(verify(&test).await.broken, Some(found), "{done:?}");
    }
}

#[tokio::test]
async fn a_chain_that_was_written_anew_to_its_end_is_found_by_the_head_of_an_earlier_walk() {
    let test = with_entries(12).await;
    let chain = verify(&test).await.chain;
    let known = (chain.entries, chain.hash);
    // As somebody would who may do everything in the database, and knows how entries are made.
    let rewrite = "
        delete from audit_origin;
        create temporary table acts as select * from audit_entry;
        delete from audit_entry;
        update audit_head set sequence = 0, hash = decode(repeat('00', 32), 'hex');
        do $$
        declare act acts;
        begin
            for act in select * from acts order by sequence loop
                perform audit_append(act.merchant_id, act.at, 'somebody else', act.action, act.subject, act.detail, act.request_id,
                    null, null);
            end loop;
        end $$;";
    tamper(&test, &[rewrite]).await;
    assert_eq!(verify(&test).await.broken, None, "the chain itself is whole");
    let app = test.application().app();
    let held = audit_log::verify(app, test.merchant, Some(&known)).await.unwrap();
    assert_eq!(held.broken, Some(Broken::Head(12)));
    let cut = audit_log::verify(app, test.merchant, Some(&(20, known.1)))
        .await
        .unwrap();
    assert_eq!(
        cut.broken,
        Some(Broken::End {
            entries: 12,
            expected: 20
        })
    );
}

#[tokio::test]
async fn nobody_but_the_owner_of_the_database_can_change_an_entry() {
    let test = with_entries(12).await;
    for sql in [
        "update audit_entry set actor = 'x'",
        "delete from audit_entry",
        "truncate audit_entry cascade",
    ] {
        let mut tx = test.application().app().db.begin(test.merchant).await.unwrap();
        let refused = sqlx::query(sql).execute(&mut *tx).await.unwrap_err();
        assert!(
            refused.to_string().contains("permission denied"),
            "{sql}: {refused}"
        );
    }
}

#[tokio::test]
async fn where_it_came_from_goes_after_its_time_and_the_chain_stays_whole() {
    let test = with_entries(12).await;
    tamper(
        &test,
        &["update audit_origin set at = at - interval '181 days' where sequence < 11"],
    )
    .await;
    let app = test.application().app();
    personal::erase_due(app).await.unwrap();
    assert_eq!(test.count("audit_origin where sequence < 11").await, 0);
    assert_eq!(test.count("audit_origin where sequence >= 11").await, 2);
    assert_eq!(verify(&test).await.broken, None);
}
