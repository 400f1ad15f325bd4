//! The purchase tax on the provider's fees: one that the company has. None is ever made.

use serde::Deserialize;
use serde_json::json;

use crate::domain::ledger::LedgerAccount;
use crate::sink::{Books, Distribution, FeeTax, SetUpRequest, SinkError, TaxChoice};

use super::super::client::Database;
use super::super::wire::{Decimal, Link};
use super::chart::{Account, Chart, all};
use super::plan::Plan;

/// What the tax is for.
const PURPOSE: &str = "the tax on the provider's fees, for tax reports";

/// A tax, archived or not.
#[derive(Debug, Deserialize)]
pub(super) struct Tax {
    id: i64,
    name: String,
    type_tax_use: String,
    amount_type: String,
    #[serde(rename = "tax_exigibility")]
    due: String,
    active: bool,
    #[serde(skip)]
    shares: Vec<Share>,
}

/// What becomes of the base or of some of the tax, on invoices or on refunds.
#[derive(Debug, Deserialize)]
struct Share {
    id: i64,
    tax_id: Link,
    document_type: String,
    repartition_type: String,
    factor_percent: Decimal,
    account_id: Link,
    tag_ids: Vec<i64>,
}

/// Whether a run asks for taxes, or has one from before.
pub(super) fn are_needed(request: &SetUpRequest, known: &[Books]) -> bool {
    match &request.fee_tax {
        Some(TaxChoice::Named(_)) => true,
        Some(TaxChoice::None) => false,
        None => known.iter().any(|books| books.fee_tax.is_some()),
    }
}

/// The taxes of the company, each with how it is distributed.
pub(super) async fn read(odoo: &Database<'_>) -> Result<Vec<Tax>, SinkError> {
    let fields = ["name", "type_tax_use", "amount_type", "tax_exigibility", "active"];
    let mut taxes: Vec<Tax> = all(odoo, "account.tax", &fields).await?;
    let ids: Vec<i64> = taxes.iter().map(|tax| tax.id).collect();
    let fields = [
        "tax_id",
        "document_type",
        "repartition_type",
        "factor_percent",
        "account_id",
        "tag_ids",
    ];
    let domain = json!([["tax_id", "in", ids]]);
    let shares: Vec<Share> = odoo
        .search("account.tax.repartition.line", domain, &fields)
        .await?;
    for share in shares {
        let of = share.tax_id.id();
        if let Some(tax) = taxes.iter_mut().find(|tax| Some(tax.id) == of) {
            tax.shares.push(share);
        }
    }
    Ok(taxes)
}

/// The tax that is named, or was mapped before, with its account. What keeps it from being taken is a problem.
pub(super) fn plan(plan: &mut Plan<'_>, known: &[Books]) -> Option<(FeeTax, i64)> {
    let chart = plan.chart;
    let chosen = match &plan.request.fee_tax {
        Some(TaxChoice::None) => return None,
        Some(TaxChoice::Named(name)) => named(&chart.taxes, name),
        None => {
            let id = known.iter().find_map(|books| books.fee_tax.as_ref())?.tax_id;
            let mut taxes = chart.taxes.iter();
            taxes.find(|tax| tax.id == id).ok_or_else(|| gone(id))
        }
    };
    match chosen.and_then(|tax| Ok((tax.words(), tax.as_fee_tax(chart)?))) {
        Ok((words, found)) => {
            plan.found(words, PURPOSE.to_owned());
            Some(found)
        }
        Err(problem) => {
            plan.problems.push(problem);
            None
        }
    }
}

fn gone(id: i64) -> String {
    format!("tax {id} ({PURPOSE}) is gone: name another one with `quittance odoo setup --fee-tax`, or `none`")
}

/// The purchase tax of a name, or of an id.
fn named<'a>(taxes: &'a [Tax], name: &str) -> Result<&'a Tax, String> {
    let by_id = name.parse().ok();
    let found: Vec<&Tax> = taxes
        .iter()
        .filter(|tax| Some(tax.id) == by_id || (tax.name == name && tax.is_purchase() && tax.active))
        .collect();
    match found[..] {
        [tax] => Ok(tax),
        [] => Err(format!(
            "no purchase tax is called {name} or has it for its id, which --fee-tax names: add one, or name another"
        )),
        _ => {
            let ids: Vec<String> = found.iter().map(|tax| tax.id.to_string()).collect();
            Err(format!(
                "several purchase taxes are called {name}: name one by its id with --fee-tax ({})",
                ids.join(", ")
            ))
        }
    }
}

/// What does not fit any more about the tax that was mapped.
pub(super) fn check(chart: &Chart, books: &Books) -> Option<String> {
    let mapped = books.fee_tax.as_ref()?;
    let Some(tax) = chart.taxes.iter().find(|tax| tax.id == mapped.tax_id) else {
        return Some(gone(mapped.tax_id));
    };
    match tax.as_fee_tax(chart) {
        Err(problem) => Some(problem),
        Ok((now, account)) => {
            let is_same = now == *mapped && books.accounts.get(&LedgerAccount::FeeTax) == Some(&account);
            (!is_same).then(|| {
                format!(
                    "{} is distributed to another account or other tags than it was mapped with: run `quittance odoo setup` again",
                    tax.words()
                )
            })
        }
    }
}

impl Tax {
    fn is_purchase(&self) -> bool {
        self.type_tax_use == "purchase"
    }

    /// What a bookkeeper calls it.
    fn words(&self) -> String {
        format!("tax {} ({})", self.name, self.id)
    }

    /// The tax as journal items name it, and its account; or what keeps it from being the one on fees.
    fn as_fee_tax(&self, chart: &Chart) -> Result<(FeeTax, i64), String> {
        let words = self.words();
        let but = |what: &str| Err(format!("{words} {what}, or name another one with --fee-tax"));
        if !self.is_purchase() {
            return but("is not for purchases: name one that is");
        }
        if !self.active {
            return but("is archived: bring it back");
        }
        if self.amount_type == "group" {
            return but("is a group of taxes: name one of them");
        }
        if self.due == "on_payment" {
            return but("is due when a bill is paid, and fees have no bill: let it be due on invoice");
        }
        let (Some((charged, account)), Some((returned, other))) =
            (self.distribution("invoice"), self.distribution("refund"))
        else {
            return but(
                "does not go to one account as a whole, on bills and on refunds alike: distribute it so",
            );
        };
        let kept = chart.account(Some(account)).filter(|account| account.is_active());
        if account != other || kept.is_none() {
            let name = kept.map(Account::words).unwrap_or_default();
            return but(&format!(
                "has accounts that differ or are archived ({name}): give it one that is in use"
            ));
        }
        let tax = FeeTax {
            tax_id: self.id,
            charged,
            returned,
        };
        Ok((tax, account))
    }

    /// Where the whole tax goes on documents of one type.
    fn distribution(&self, document: &str) -> Option<(Distribution, i64)> {
        let of = |kind: &str| {
            let shares = self
                .shares
                .iter()
                .filter(|share| share.document_type == document && share.repartition_type == kind);
            shares.collect::<Vec<_>>()
        };
        let ([base], [tax]) = (&of("base")[..], &of("tax")[..]) else {
            return None;
        };
        let is_whole = matches!(tax.factor_percent.to_string().as_str(), "100" | "100.0");
        let account = tax.account_id.id().filter(|_| is_whole)?;
        let distribution = Distribution {
            line_id: tax.id,
            tag_ids: tax.tag_ids.clone(),
            base_tag_ids: base.tag_ids.clone(),
        };
        Some((distribution, account))
    }
}
