//! The same at the command line.

use reqwest::StatusCode;

use super::{became, open, payment, short};
use crate::events::commands::run;
use crate::events::{Operator, impatient};
use crate::support::{TestApp, Wishes, database};

#[tokio::test]
async fn the_commands_about_exceptions_answer_what_the_api_answers() {
    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        ..impatient()
    })
    .await;
    let operator = Operator::of(&test).await;
    let payment = payment(&test).await;
    open(&test, &short(&test, "ch_1", "short by 1.00", 900).of(payment)).await;
    open(&test, &short(&test, "ch_2", "short by 1.00", 900).holding("po_1")).await;
    let merchant = test.merchant.to_string();
    let command = async |arguments: &[&str]| {
        run(
            &url,
            &[&["exceptions"], arguments, &["--merchant", &merchant]].concat(),
        )
        .await
    };
    let list = async |query: &str| {
        operator
            .get(&format!("/v1/exceptions{query}"))
            .await
            .expect(StatusCode::OK)
    };
    let first = list("?state=open&limit=1").await;
    let listed = command(&["list", "--state", "open", "--limit", "1"]).await;
    assert_eq!(listed.unwrap(), first);
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = command(&["list", "--limit", "1", "--cursor", cursor])
        .await
        .unwrap();
    let of_payment = payment.to_string();
    for (arguments, query) in [
        (["--payment", &of_payment], format!("?payment={of_payment}")),
        (["--payout", "po_1"], "?payout=po_1".to_owned()),
        (["--kind", "amount_under"], "?kind=amount_under".to_owned()),
        (["--kind", "amount_over"], "?kind=amount_over".to_owned()),
        (
            ["--since", "2020-01-01T00:00:00Z"],
            "?since=2020-01-01T00:00:00Z".to_owned(),
        ),
        (
            ["--until", "2020-01-01T00:00:00Z"],
            "?until=2020-01-01T00:00:00Z".to_owned(),
        ),
    ] {
        let listed = command(&[&["list"][..], &arguments].concat()).await.unwrap();
        assert_eq!(listed, list(&query).await, "{query}");
    }

    let id = next["data"][0]["id"].as_str().unwrap();
    let path = format!("/v1/exceptions/{id}");
    let api = async || operator.get(&path).await.expect(StatusCode::OK);
    assert_eq!(command(&["show", id]).await.unwrap(), api().await);
    let resolved = command(&["resolve", id, "--reason", "written off"])
        .await
        .unwrap();
    assert_eq!(resolved, api().await);
    let reopened = command(&["reopen", id, "--reason", "not ours"]).await.unwrap();
    assert_eq!(reopened, api().await);
    assert_eq!(
        became(&reopened)[1..],
        [
            ["cli", "open", "resolved", "written off"],
            ["cli", "resolved", "open", "not ours"],
        ]
    );

    for (arguments, complaint) in [
        (&["resolve", id][..], "--reason"),
        (&["reopen", id, "--reason", " "], "1 to 500 characters"),
        (&["list", "--kind", "moon_phase"], "unknown variant"),
        (&["list", "--state", "closed"], "unknown variant"),
        (&["list", "--cursor", "x"], "--cursor: invalid_cursor"),
        (&["show", "exc_01h455vb4pex5vsknk084sn02q"], "no such exception"),
        (&["show", id, "--live"], "no such exception"),
    ] {
        let said = command(arguments).await.unwrap_err();
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
}
