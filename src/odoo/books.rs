//! Set-up: which journal and accounts to write to, and whether they can balance.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::sink::{Books, BooksRequest, LostDisputes, SinkError};

use super::client::Database;
use super::error::{refused, unreachable};
use super::wire::Link;

#[derive(Debug, Deserialize)]
struct Journal {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
    default_account_id: Link,
    currency_id: Link,
    company_id: Link,
}

#[derive(Debug, Deserialize)]
struct MethodLine {
    id: i64,
    payment_type: String,
    payment_account_id: Link,
}

#[derive(Debug, Deserialize)]
struct Account {
    id: i64,
    #[serde(rename = "account_type")]
    kind: String,
    reconcile: bool,
}

#[derive(Debug, Deserialize)]
struct Company {
    currency_id: Link,
}

/// Finds what postings need, and refuses what could not balance with words that say what to set.
pub(super) async fn find(odoo: &Database<'_>, request: &BooksRequest) -> Result<Books, SinkError> {
    check_key(odoo).await?;
    let journal = journal(odoo, &request.journal_code).await?;
    let company_id = journal
        .company_id
        .id()
        .ok_or_else(|| unreachable("the journal came without its company"))?;
    let odoo = &Database {
        company_id: Some(company_id),
        ..*odoo
    };
    let lines: Vec<MethodLine> = odoo
        .search(
            "account.payment.method.line",
            json!([["journal_id", "=", journal.id]]),
            &["payment_type", "payment_account_id"],
        )
        .await?;
    let (inbound_method_line_id, outstanding_receipts_id) = method(&lines, "inbound", &journal, request)?;
    let (outbound_method_line_id, outstanding_payments_id) = method(&lines, "outbound", &journal, request)?;
    can_wait(odoo, outstanding_receipts_id).await?;
    can_wait(odoo, outstanding_payments_id).await?;
    let company_currency = company_currency(odoo, company_id).await?;
    // A journal without a currency of its own is in its company's.
    let currency = match journal.currency_id.id() {
        Some(_) => journal.currency_id.name().to_owned(),
        None => company_currency.clone(),
    };
    Ok(Books {
        journal_id: journal.id,
        journal_account_id: own_account(&journal)?,
        outstanding_receipts_id,
        outstanding_payments_id,
        inbound_method_line_id,
        outbound_method_line_id,
        fee_account_id: fee_account(odoo, &request.fee_account_code).await?,
        company_id,
        currency,
        company_currency: Some(company_currency),
        accounts: BTreeMap::new(),
        general_journal_id: None,
        bank: None,
        lost_disputes: LostDisputes::default(),
        fee_tax: None,
        credit_notes: false,
    })
}

/// Refuses a key whose user cannot post.
pub(super) async fn check_key(odoo: &Database<'_>) -> Result<(), SinkError> {
    may_create(odoo, "account.payment", "Invoicing").await?;
    may_create(
        odoo,
        "account.bank.statement.line",
        "Basic (account.group_account_basic)",
    )
    .await
}

async fn may_create(odoo: &Database<'_>, model: &str, group: &str) -> Result<(), SinkError> {
    if odoo
        .call(model, "has_access", json!({ "operation": "create" }))
        .await?
    {
        return Ok(());
    }
    let message = format!("the key's user may not create {model}: add the user to the group {group}");
    Err(SinkError::Unauthorized {
        message: message.into(),
    })
}

async fn journal(odoo: &Database<'_>, code: &str) -> Result<Journal, SinkError> {
    let fields = ["type", "default_account_id", "currency_id", "company_id"];
    let found: Vec<Journal> = odoo
        .search("account.journal", json!([["code", "=", code]]), &fields)
        .await?;
    let [journal] = <[Journal; 1]>::try_from(found).map_err(|found| {
        refused(format!(
            "not one but {} journals have the short code {code}: add a journal of type Bank with it, or give the \
             key's user one company only",
            found.len()
        ))
    })?;
    if journal.kind != "bank" {
        return Err(refused(format!("journal {code} is not of type Bank")));
    }
    Ok(journal)
}

fn own_account(journal: &Journal) -> Result<i64, SinkError> {
    let missing = || refused("the journal has no bank account of its own: set one");
    journal.default_account_id.id().ok_or_else(missing)
}

/// The first method line of a direction through which a payment waits on an account of its own.
fn method(
    lines: &[MethodLine],
    direction: &str,
    journal: &Journal,
    request: &BooksRequest,
) -> Result<(i64, i64), SinkError> {
    lines
        .iter()
        .filter(|line| line.payment_type == direction)
        .find_map(|line| Some((line.id, line.payment_account_id.id()?)))
        .filter(|(_, account_id)| Some(*account_id) != journal.default_account_id.id())
        .ok_or_else(|| {
            refused(format!(
                "journal {} needs an {direction} payment method whose outstanding account is set and is not the \
                 journal's own",
                request.journal_code
            ))
        })
}

async fn can_wait(odoo: &Database<'_>, account_id: i64) -> Result<(), SinkError> {
    let accounts = accounts(odoo, json!([["id", "=", account_id]])).await?;
    if accounts
        .first()
        .is_some_and(|account| account.reconcile && account.kind != "asset_cash")
    {
        return Ok(());
    }
    Err(refused(
        "the outstanding account of the payment method must allow reconciliation and be no bank account",
    ))
}

async fn fee_account(odoo: &Database<'_>, code: &str) -> Result<i64, SinkError> {
    accounts(odoo, json!([["code", "=", code]]))
        .await?
        .first()
        .filter(|account| account.kind.starts_with("expense"))
        .map(|account| account.id)
        .ok_or_else(|| {
            refused(format!(
                "no expense account has the code {code}: add one for the provider's fees"
            ))
        })
}

async fn accounts(odoo: &Database<'_>, domain: serde_json::Value) -> Result<Vec<Account>, SinkError> {
    odoo.search("account.account", domain, &["account_type", "reconcile"])
        .await
}

async fn company_currency(odoo: &Database<'_>, company_id: i64) -> Result<String, SinkError> {
    let companies: Vec<Company> = odoo
        .search("res.company", json!([["id", "=", company_id]]), &["currency_id"])
        .await?;
    companies
        .first()
        .map(|company| company.currency_id.name().to_owned())
        .ok_or_else(|| unreachable("the journal's company cannot be read"))
}
