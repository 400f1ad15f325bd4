//! The tax on the provider's fees, as a tax report counts it.

use std::time::Duration;

use quittance::domain::ledger::LedgerAccount::{FeeTax, Fees, ProviderBalance, ReceivableClearing};
use quittance::domain::posting::Posting;
use quittance::sink::{Books, Journals, RpcAccess, SetUpReport, Sink, SinkError, TaxChoice};
use serde_json::{Value, json};
use uuid::Uuid;

use super::journals::request;
use super::support::{Odoo, Sale, booking, cents, first, sink, with};

/// A purchase tax of 21 per cent with tags, kept on 131000.
struct Tax {
    id: i64,
    name: String,
    account: i64,
    /// What it marks on bills: the base, the tax.
    tags: [Vec<i64>; 2],
}

async fn tax_for(odoo: &Odoo, kind: &str) -> Tax {
    let account = odoo
        .search("account.account", json!([["code", "=", "131000"]]), &["code"])
        .await[0]["id"]
        .as_i64()
        .unwrap();
    let tags = odoo
        .search(
            "account.account.tag",
            json!([["applicability", "=", "taxes"]]),
            &["name"],
        )
        .await;
    let tags: Vec<i64> = tags.iter().filter_map(|tag| tag["id"].as_i64()).collect();
    let (one, both) = (
        tags.iter().take(1).copied().collect(),
        tags.iter().take(2).copied().collect(),
    );
    let share = |tags: &Vec<i64>, kind: &str| {
        let account = if kind == "tax" {
            json!(account)
        } else {
            json!(false)
        };
        json!([0, 0, { "repartition_type": kind, "account_id": account, "tag_ids": [[6, 0, tags]] }])
    };
    let name = format!("21% {}", Uuid::now_v7().simple());
    let vals = json!({
        "name": name, "amount": 21, "type_tax_use": kind,
        "invoice_repartition_line_ids": [share(&one, "base"), share(&both, "tax")],
        "refund_repartition_line_ids": [share(&both, "base"), share(&one, "tax")],
    });
    let created = odoo
        .call("account.tax/create", json!({ "vals_list": [vals] }))
        .await;
    Tax {
        id: first(&created),
        name,
        account,
        tags: [one, both],
    }
}

fn bare(odoo: &Odoo, known: Option<Books>) -> RpcAccess {
    RpcAccess {
        journals: Journals::new([], known),
        ..odoo.access().clone()
    }
}

async fn set_up(odoo: &Odoo, known: Option<Books>, choice: Option<TaxChoice>) -> SetUpReport {
    let mut request = request(&["EUR"]);
    request.fee_tax = choice;
    request.journals.insert("EUR".to_owned(), "STRP".to_owned());
    sink(Duration::from_secs(30))
        .set_up_journals(&odoo.instance.url, &bare(odoo, known), &request, true)
        .await
        .unwrap()
}

fn named(tax: &Tax) -> TaxChoice {
    TaxChoice::Named(tax.name.clone())
}

async fn check(odoo: &Odoo, books: &Books) -> Vec<String> {
    sink(Duration::from_secs(30))
        .check_journal(&odoo.instance.url, &bare(odoo, None), books)
        .await
        .unwrap()
}

/// An Odoo in which a tax is mapped to fees.
async fn open() -> (Odoo, Tax) {
    let mut odoo = Odoo::open().await;
    let tax = tax_for(&odoo, "purchase").await;
    let report = set_up(&odoo, None, Some(named(&tax))).await;
    assert!(report.is_complete(), "{report:#?}");
    let (_, books) = report.books[0].clone();
    odoo.instance = with(&odoo.instance, |access| {
        access.journals = Journals::new([], Some(books));
    });
    (odoo, tax)
}

/// The items of a booking.
async fn items(odoo: &Odoo, source: &str) -> Vec<Value> {
    let domain = json!([["move_id.ref", "=", source], ["parent_state", "=", "posted"]]);
    let fields = [
        "account_id",
        "balance",
        "tax_ids",
        "tax_line_id",
        "tax_tag_ids",
        "tax_base_amount",
        "display_type",
    ];
    odoo.search("account.move.line", domain, &fields).await
}

fn tags(item: &Value) -> Vec<i64> {
    let mut tags: Vec<i64> = item["tax_tag_ids"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_i64)
        .collect();
    tags.sort_unstable();
    tags
}

fn fee(sale: &Sale, what: &str, fee: i64, tax: i64) -> Posting {
    booking(
        &sale.transaction(what),
        &[(ProviderBalance, -fee - tax), (Fees, fee), (FeeTax, tax)],
        None,
    )
}

#[tokio::test]
async fn a_fee_and_its_vat_are_what_a_bill_of_them_would_be_and_the_amounts_are_stripes() {
    let (odoo, tax) = open().await;
    let sale = odoo.sale().await;
    odoo.send(&sale.payment()).await.unwrap();
    // 21 per cent of 2.07 is 0.43 and not 0.45.
    let charge = booking(
        &sale.transaction("charge"),
        &[
            (ProviderBalance, 12_100 - 207 - 45),
            (Fees, 207),
            (FeeTax, 45),
            (ReceivableClearing, -12_100),
        ],
        Some(sale.source("ch")),
    );

    for _ in 0..2 {
        odoo.send(&charge).await.unwrap();
    }

    let found = items(&odoo, &sale.transaction("charge")).await;
    assert_eq!(found.len(), 4, "Odoo has added nothing: {found:#?}");
    let vat = found.iter().find(|item| item["tax_line_id"] != false).unwrap();
    let base = found.iter().find(|item| item["tax_ids"] != json!([])).unwrap();
    assert_eq!((first(&vat["tax_line_id"]), cents(&vat["balance"])), (tax.id, 45));
    assert_eq!(
        (first(&vat["account_id"]), &vat["display_type"]),
        (tax.account, &json!("tax"))
    );
    assert_eq!(cents(&vat["tax_base_amount"]), 207);
    assert_eq!(
        (&base["tax_ids"], cents(&base["balance"])),
        (&json!([tax.id]), 207)
    );
    assert_eq!([tags(base), tags(vat)], tax.tags);
    assert_eq!(odoo.balances(&sale).await.outstanding, 0);
}

#[tokio::test]
async fn what_a_tax_report_sums_is_what_was_charged_less_what_was_given_back() {
    let (odoo, tax) = open().await;
    let sale = odoo.sale().await;
    let batch = [
        fee(&sale, "untaxed", 500, 0),
        fee(&sale, "taxed", 1_000, 210),
        fee(&sale, "tax", 0, 77),
        fee(&sale, "back", -100, -21),
    ];

    for posting in batch.iter().chain(&batch) {
        odoo.send(posting).await.unwrap();
    }

    let domain = json!([["tax_line_id", "=", tax.id], ["parent_state", "=", "posted"]]);
    let vat = odoo.search("account.move.line", domain, &["balance"]).await;
    let sum: i64 = vat.iter().map(|item| cents(&item["balance"])).sum();
    assert_eq!((vat.len(), sum), (3, 210 + 77 - 21));
    let untaxed = items(&odoo, &sale.transaction("untaxed")).await;
    assert_eq!(untaxed.len(), 2, "no tax is worked out where none was charged");
    assert!(untaxed.iter().all(|item| item["tax_ids"] == json!([])));
    let back = items(&odoo, &sale.transaction("back")).await;
    let given_back = back.iter().find(|item| item["tax_line_id"] != false).unwrap();
    let base = back.iter().find(|item| item["tax_ids"] != json!([])).unwrap();
    let [one, both] = tax.tags;
    assert_eq!(
        [tags(base), tags(given_back)],
        [both, one],
        "as on a bill's credit note"
    );
}

#[tokio::test]
async fn without_a_mapped_tax_the_tax_part_is_on_its_account_only() {
    let mut odoo = Odoo::open().await;
    let report = set_up(&odoo, None, Some(TaxChoice::None)).await;
    let (_, books) = report.books[0].clone();
    let account = books.accounts[&FeeTax];
    odoo.instance = with(&odoo.instance, |access| {
        access.journals = Journals::new([], Some(books));
    });
    let sale = odoo.sale().await;

    odoo.send(&fee(&sale, "taxed", 1_000, 210)).await.unwrap();

    let found = items(&odoo, &sale.transaction("taxed")).await;
    assert_eq!(found.len(), 3);
    let is_plain = |item: &Value| item["tax_ids"] == json!([]) && item["tax_line_id"] == false;
    assert!(found.iter().all(is_plain), "{found:#?}");
    assert!(found.iter().any(|item| first(&item["account_id"]) == account));
}

#[tokio::test]
async fn a_booking_that_lost_its_tax_is_told() {
    let (odoo, _) = open().await;
    let sale = odoo.sale().await;
    let posting = fee(&sale, "taxed", 1_000, 210);
    let without = with(&odoo.instance, |access| {
        let books = Books {
            fee_tax: None,
            ..odoo.books().clone()
        };
        access.journals = Journals::new([], Some(books));
    });
    super::support::send(&odoo.sink, &without, &posting)
        .await
        .unwrap();

    let told = odoo.send(&posting).await;

    assert!(
        matches!(&told, Err(SinkError::Differs { message }) if message.told().contains("does not bear the tax")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_tax_that_cannot_be_that_of_fees_is_refused_in_words() {
    let odoo = Odoo::open().await;
    let sales = tax_for(&odoo, "sale").await;
    let by_id = TaxChoice::Named(sales.id.to_string());

    for (choice, words) in [
        (by_id, "is not for purchases"),
        (named(&sales), "no purchase tax is called"),
        (
            TaxChoice::Named("nowhere".to_owned()),
            "no purchase tax is called nowhere",
        ),
    ] {
        let report = set_up(&odoo, None, Some(choice)).await;
        assert!(
            report.problems.iter().any(|problem| problem.contains(words)),
            "{words}: {report:#?}"
        );
        assert!(!report.is_complete());
    }
}

#[tokio::test]
async fn the_mapped_tax_stays_until_none_is_said_and_a_look_tells_what_became_of_it() {
    let (odoo, tax) = open().await;
    let books = odoo.books().clone();
    let later = set_up(&odoo, Some(books.clone()), None).await;
    let ended = set_up(&odoo, Some(books.clone()), Some(TaxChoice::None)).await;

    assert_eq!(later.books[0].1.fee_tax, books.fee_tax);
    assert_eq!(ended.books[0].1.fee_tax, None);
    assert_eq!(check(&odoo, &books).await, Vec::<String>::new());

    let write = async |active: bool| {
        let vals = json!({ "ids": [tax.id], "vals": { "active": active } });
        odoo.call("account.tax/write", vals).await;
    };
    write(false).await;
    let archived = check(&odoo, &books).await;
    write(true).await;
    let mut gone = books.clone();
    gone.fee_tax.as_mut().unwrap().tax_id = 99_999_999;
    let mut moved = books.clone();
    moved.accounts.insert(FeeTax, books.fee_account_id);

    for (found, words) in [
        (archived, "is archived: bring it back"),
        (check(&odoo, &gone).await, "is gone"),
        (check(&odoo, &moved).await, "distributed to another account"),
    ] {
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    }
}
