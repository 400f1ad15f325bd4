//! A payout's report in each of its forms.

use std::path::Path;

use quittance_sandbox::stripe::{Extra, PayoutKind};
use reqwest::header::ACCEPT;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::process::Command;

use super::{an_hour_ago, paid_with_lines, reconcile};
use crate::events::commands::run;
use crate::support::{Reply, SEALING_KEY, TestApp, Wishes, database};

/// A payout that arrived, of three payments and a line that nobody knows: its path.
async fn arrived(test: &TestApp) -> (String, String) {
    paid_with_lines(test, 3).await;
    let line = test.stripe.write_line(Extra::SolarFlare, 700, "eur");
    let payout = test.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    test.stripe.land_payout(&payout).unwrap();
    reconcile(test, an_hour_ago()).await;
    let listed = test.get("/v1/payouts").await.expect(StatusCode::OK);
    let id = listed["data"][0]["id"].as_str().unwrap();
    (format!("/v1/payouts/{id}/reconciliation"), line)
}

/// The cells of a CSV's rows, without the header; none of them holds a comma or a line's end.
fn cells(csv: &str) -> Vec<Vec<String>> {
    let rows = csv.split_terminator("\r\n").skip(1);
    rows.map(|row| {
        row.split(',')
            .map(|cell| cell.trim_matches('"').to_owned())
            .collect()
    })
    .collect()
}

async fn as_form(test: &TestApp, path: &str, accept: &str) -> Reply {
    Reply::of(test.request(Method::GET, path).header(ACCEPT, accept)).await
}

#[tokio::test]
async fn every_line_of_a_payout_is_in_its_csv_however_many_there_are() {
    let test = TestApp::spawn().await;
    let (path, _) = arrived(&test).await;
    // More than are read at a time, each of one cent, in ids before and after the others'.
    for sql in [
        "insert into balance_transaction (merchant_id, provider_account_id, id, kind, amount_minor, fee_minor, net_minor, currency,
             created_at, description, book_at)
         select merchant_id, provider_account_id, 'txn_' || n, 'charge', 1, 0, 1, 'EUR', now(), '=cmd()', null
         from payout, generate_series(1, 2500) n",
        "insert into payout_line (merchant_id, provider_account_id, balance_transaction, payout)
         select b.merchant_id, b.provider_account_id, b.id, p.provider_reference from balance_transaction b, payout p
         where b.description = '=cmd()'",
    ] {
        sqlx::query(sql).execute(&test.db).await.unwrap();
    }
    let csv = test.get(&format!("{path}?format=csv")).await;
    assert_eq!(csv.status, StatusCode::OK);
    assert_eq!(
        csv.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    let name = csv.header("content-disposition").unwrap();
    assert!(name.ends_with(".csv\"") && !name.contains("unread"), "{name}");
    let rows = cells(std::str::from_utf8(&csv.bytes).unwrap());
    assert_eq!(rows.len(), 5 + 2_500);
    assert!(rows.iter().all(|row| row.len() == 17));
    let mut ids: Vec<&String> = rows.iter().map(|row| &row[1]).collect();
    ids.dedup();
    assert_eq!(ids.len(), rows.len(), "each once, in order");
    let net: i64 = rows.iter().map(|row| row[16].parse::<i64>().unwrap()).sum();
    assert_eq!(
        net, 2_500,
        "the payout's own line takes all that is not added here"
    );
    assert_eq!(rows.iter().filter(|row| row[7] == "'=cmd()").count(), 2_500);
    let paid = rows.iter().find(|row| row[6] == "S0").unwrap();
    assert_eq!(
        (&*paid[2], &*paid[10], &*paid[11], &*paid[14]),
        ("charge", "EUR", "121.00", "12100")
    );
    assert!(paid[5].starts_with("pay_"), "{paid:?}");

    let by_header = as_form(&test, &path, "text/csv").await;
    assert_eq!(by_header.bytes, csv.bytes);
}

#[tokio::test]
async fn a_payout_can_be_read_on_a_page_that_runs_nothing_and_names_what_is_open() {
    let test = TestApp::spawn().await;
    let (path, line) = arrived(&test).await;
    let shown = as_form(&test, &path, "text/html").await;
    assert_eq!(shown.status, StatusCode::OK);
    let policy = shown.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    let page = String::from_utf8(shown.bytes.clone()).unwrap();
    assert!(!page.contains("<script") && !page.contains("http"), "{page}");
    for told in [
        "Not explained yet",
        "Open differences (1)",
        "Unmapped line",
        &line,
        "121.00",
        "S0",
        "?format=csv",
        "Difference</th><td class=\"n\">0.00",
    ] {
        let found = page.to_lowercase().contains(&told.to_lowercase());
        assert!(found, "{told} is not on the page: {page}");
    }
    sqlx::query("update exception set detail = '<img src=x onerror=alert(1)>'")
        .execute(&test.db)
        .await
        .unwrap();
    let page = String::from_utf8(as_form(&test, &path, "text/html").await.bytes).unwrap();
    assert!(page.contains("&lt;img src=x") && !page.contains("<img"), "{page}");
}

#[tokio::test]
async fn a_form_that_there_is_not_is_refused_and_pages_are_of_json_alone() {
    let test = TestApp::spawn().await;
    let (path, _) = arrived(&test).await;
    let refused = test.get(&format!("{path}?format=pdf")).await;
    assert_eq!(refused.expect(StatusCode::BAD_REQUEST)["code"], "invalid_query");
    for query in ["format=csv&limit=3", "format=html&cursor=eA"] {
        let refused = test.get(&format!("{path}?{query}")).await;
        let problem = refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["code"], "invalid_format", "{query}");
    }
    let json = as_form(&test, &format!("{path}?format=json&limit=1"), "text/html").await;
    let json = json.expect(StatusCode::OK);
    assert_eq!(json["lines"].as_array().unwrap().len(), 1);
    let unknown = test
        .get("/v1/payouts/pyt_01h455vb4pex5vsknk084sn02q/reconciliation?format=csv")
        .await;
    assert_eq!(unknown.expect(StatusCode::NOT_FOUND)["code"], "not_found");
    let nobody = reqwest::get(format!("{}{path}?format=html", test.url))
        .await
        .unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_command_reports_a_payout_as_the_api_does() {
    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        ..Wishes::default()
    })
    .await;
    let (path, _) = arrived(&test).await;
    let (merchant, id) = (
        test.merchant.to_string(),
        path.split('/').nth(3).unwrap().to_owned(),
    );
    let json = test.get(&path).await.expect(StatusCode::OK);
    let reference = json["payout"]["provider_reference"].as_str().unwrap();
    let report = ["payouts", "report", "--merchant", &merchant, "--payout"];
    for payout in [&*id, reference] {
        let answer = run(&url, &[&report[..], &[payout, "--format", "json"]].concat()).await;
        assert_eq!(answer.unwrap(), json);
    }
    let printed = async |format: &str| {
        let output = Command::new(Path::new(env!("CARGO_BIN_EXE_quittance")))
            .args(report)
            .args([reference, "--format", format])
            .env_clear()
            .envs([
                ("QUITTANCE_DATABASE_URL", &*url),
                ("QUITTANCE_SEALING_KEY", SEALING_KEY),
            ])
            .envs([("QUITTANCE_LOG", "error")])
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let csv = test.get(&format!("{path}?format=csv")).await;
    assert_eq!(printed("csv").await.into_bytes(), csv.bytes);
    let read = printed("text").await;
    for told in [
        reference,
        "One difference is open.",
        "unmapped line",
        "121.00",
        "S2",
    ] {
        assert!(read.contains(told), "{told}: {read}");
    }
    let unknown = run(&url, &[&report[..], &["po_1"]].concat()).await.unwrap_err();
    assert!(unknown.contains("no such payout"), "{unknown}");
    assert_eq!(json["explained"], json!(false));
}
