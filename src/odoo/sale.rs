//! An invoice, and what of its lines a credit note takes back.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::domain::money::{Currency, Money};
use crate::sink::SinkError;

use super::client::Database;
use super::credit_note::by_hand;
use super::draft::ENTRY;
use super::error::refused;
use super::items;
use super::wire::{Decimal, Link, Text};

/// What is imported of a line, in the order of its cells.
pub(super) const FIELDS: [&str; 9] = [
    "invoice_line_ids/product_id/.id",
    "invoice_line_ids/product_uom_id/.id",
    "invoice_line_ids/name",
    "invoice_line_ids/account_id/.id",
    "invoice_line_ids/quantity",
    "invoice_line_ids/price_unit",
    "invoice_line_ids/discount",
    "invoice_line_ids/tax_ids/.id",
    "invoice_line_ids/analytic_distribution",
];

/// A customer's invoice.
#[derive(Debug, Deserialize)]
pub(super) struct Invoice {
    pub(super) id: i64,
    pub(super) name: Text,
    state: String,
    move_type: String,
    currency_id: Link,
    amount_total: Decimal,
    pub(super) partner_id: Link,
    pub(super) journal_id: Link,
    pub(super) fiscal_position_id: Link,
}

/// A line of one.
#[derive(Debug, Deserialize)]
struct Line {
    display_type: String,
    product_id: Link,
    product_uom_id: Link,
    name: Text,
    account_id: Link,
    quantity: Decimal,
    price_unit: Decimal,
    discount: Decimal,
    tax_ids: Vec<i64>,
    price_subtotal: Decimal,
    price_total: Decimal,
    /// `{"1": 100.0}`, or `false`.
    analytic_distribution: Box<RawValue>,
}

impl Line {
    fn analytic(&self) -> &str {
        match self.analytic_distribution.get() {
            "false" | "null" => "",
            distribution => distribution,
        }
    }
}

/// An invoice that can be taken back by an amount.
pub(super) async fn read(odoo: &Database<'_>, id: i64, amount: Money) -> Result<Invoice, SinkError> {
    let fields = [
        "name",
        "state",
        "move_type",
        "currency_id",
        "amount_total",
        "partner_id",
        "journal_id",
        "fiscal_position_id",
    ];
    let found: Vec<Invoice> = odoo.search(ENTRY, json!([["id", "=", id]]), &fields).await?;
    let Some(invoice) = found.into_iter().next() else {
        return Err(refused(format!("account.move {id} is gone")));
    };
    let name = invoice.name.as_str();
    if invoice.move_type != "out_invoice" || invoice.state != "posted" {
        return Err(by_hand(&format!(
            "{name} ({id}) is no posted invoice but {} {}",
            invoice.state, invoice.move_type
        )));
    }
    if invoice.currency_id.name() != amount.currency.code() {
        return Err(by_hand(&format!(
            "{name} is in {}, the refund is {amount}",
            invoice.currency_id.name()
        )));
    }
    Ok(invoice)
}

/// The cells of the lines of a credit note over an amount: those of the invoice as they are where it is all of it, else one for
/// each set of taxes, account and analytic distribution, with its share.
pub(super) async fn lines(
    odoo: &Database<'_>,
    invoice: &Invoice,
    amount: Money,
) -> Result<Vec<Vec<String>>, SinkError> {
    let mut fields = vec!["display_type"];
    let of_line = FIELDS
        .iter()
        .filter_map(|field| field.strip_prefix("invoice_line_ids/"));
    fields.extend(of_line.map(|field| field.trim_end_matches("/.id")));
    fields.extend(["price_subtotal", "price_total"]);
    let domain = json!([["move_id", "=", invoice.id]]);
    let found: Vec<Line> = odoo.search(items::MODEL, domain, &fields).await?;
    let written = [
        "product",
        "tax",
        "payment_term",
        "line_section",
        "line_subsection",
        "line_note",
    ];
    if let Some(other) = found
        .iter()
        .find(|line| !written.contains(&line.display_type.as_str()))
    {
        return Err(by_hand(&format!(
            "{} has a line of the kind {}, which no credit note of ours can take back",
            invoice.name.as_str(),
            other.display_type
        )));
    }
    let sold: Vec<&Line> = found
        .iter()
        .filter(|line| line.display_type == "product")
        .collect();
    if invoice.amount_total.to_minor(amount.currency) == Some(amount.minor) {
        return Ok(sold.into_iter().map(|line| whole(line, invoice)).collect());
    }
    let groups = grouped(&sold, amount.currency)
        .ok_or_else(|| by_hand("a line of the invoice is no whole number of minor units"))?;
    in_part(odoo, invoice, groups, amount).await
}

fn link(link: &Link) -> String {
    link.id().map(|id| id.to_string()).unwrap_or_default()
}

fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

/// A line as it is.
fn whole(line: &Line, invoice: &Invoice) -> Vec<String> {
    let name = match line.name.as_str() {
        "" => invoice.name.as_str(),
        name => name,
    };
    vec![
        link(&line.product_id),
        link(&line.product_uom_id),
        name.to_owned(),
        link(&line.account_id),
        line.quantity.to_string(),
        line.price_unit.to_string(),
        line.discount.to_string(),
        list(&line.tax_ids),
        line.analytic().to_owned(),
    ]
}

/// What lines have in common that are taken back as one: taxes, account, analytic distribution.
type Kind = (Vec<i64>, String, String);

/// What lines of each kind come to: without taxes, and with them.
fn grouped(lines: &[&Line], currency: Currency) -> Option<BTreeMap<Kind, (i64, i64)>> {
    let mut groups: BTreeMap<Kind, (i64, i64)> = BTreeMap::new();
    for line in lines {
        let mut taxes = line.tax_ids.clone();
        taxes.sort_unstable();
        let kind = (taxes, link(&line.account_id), line.analytic().to_owned());
        let (base, total) = groups.entry(kind).or_default();
        *base = base.checked_add(line.price_subtotal.to_minor(currency)?)?;
        *total = total.checked_add(line.price_total.to_minor(currency)?)?;
    }
    Some(groups)
}

#[derive(Debug, Deserialize)]
struct Tax {
    id: i64,
    name: String,
    amount_type: String,
    price_include: bool,
}

async fn in_part(
    odoo: &Database<'_>,
    invoice: &Invoice,
    groups: BTreeMap<Kind, (i64, i64)>,
    amount: Money,
) -> Result<Vec<Vec<String>>, SinkError> {
    let taxes = taxes(odoo, &groups).await?;
    let totals: Vec<i64> = groups.values().map(|(_, total)| *total).collect();
    let uneven = || by_hand("the invoice has lines that no part of it can be taken back of");
    let shares = split(amount.minor, &totals).ok_or_else(uneven)?;
    let mut lines = Vec::with_capacity(shares.len());
    for (((tax_ids, account, analytic), (base, total)), share) in groups.into_iter().zip(shares) {
        let on_it: Vec<&Tax> = taxes.iter().filter(|tax| tax_ids.contains(&tax.id)).collect();
        let included = on_it.iter().filter(|tax| tax.price_include).count();
        let price = if included == on_it.len() {
            share
        } else if included == 0 {
            portion(share, base, total).ok_or_else(uneven)?
        } else {
            return Err(by_hand(
                "prices of the invoice hold some of their taxes and not others",
            ));
        };
        if share == 0 {
            continue;
        }
        lines.push(vec![
            String::new(),
            String::new(),
            format!("{} ({amount})", invoice.name.as_str()),
            account,
            "1".to_owned(),
            Money::new(price, amount.currency).to_decimal(),
            "0".to_owned(),
            list(&tax_ids),
            analytic,
        ]);
    }
    Ok(lines)
}

/// The taxes of groups of lines, all of which must be in per cent: of others a part is not what it is of the whole.
async fn taxes(odoo: &Database<'_>, groups: &BTreeMap<Kind, (i64, i64)>) -> Result<Vec<Tax>, SinkError> {
    let ids: Vec<i64> = groups.keys().flat_map(|(taxes, ..)| taxes).copied().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let asked = json!({
        "domain": [["id", "in", ids]], "fields": ["name", "amount_type", "price_include"],
        "context": { "active_test": false },
    });
    let found: Vec<Tax> = odoo.call("account.tax", "search_read", asked).await?;
    match found.iter().find(|tax| tax.amount_type != "percent") {
        None => Ok(found),
        Some(other) => Err(by_hand(&format!(
            "tax {} of the invoice is not in per cent, and only a part went back",
            other.name
        ))),
    }
}

/// An amount in shares as large as weights, to the minor unit.
fn split(minor: i64, weights: &[i64]) -> Option<Vec<i64>> {
    let all: i64 = weights.iter().sum();
    let (mut before, mut given) = (0_i64, 0_i64);
    let mut shares = Vec::with_capacity(weights.len());
    for weight in weights {
        before = before.checked_add(*weight)?;
        let until = portion(minor, before, all)?;
        shares.push(until - given);
        given = until;
    }
    Some(shares)
}

/// So much of an amount as a part is of a whole, the half away from zero.
fn portion(minor: i64, part: i64, whole: i64) -> Option<i64> {
    let over = i128::from(minor).checked_mul(i128::from(part))?;
    let under = i128::from(whole);
    if under == 0 {
        return None;
    }
    let half = if (over < 0) == (under < 0) {
        under / 2
    } else {
        -(under / 2)
    };
    i64::try_from((over + half) / under).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_portion_is_rounded_the_half_away_from_zero() {
        assert_eq!(portion(302, 100, 121), Some(250));
        assert_eq!(portion(5, 1, 2), Some(3));
        assert_eq!(portion(-5, 1, 2), Some(-3));
        assert_eq!(portion(5, -1, 2), Some(-3));
        assert_eq!(portion(5, -1, -2), Some(3));
        assert_eq!(portion(1, 1, 0), None);
    }

    proptest! {
        #[test]
        fn shares_add_up_to_what_is_shared(
            minor in 1_i64..=9_999_999_999, weights in prop::collection::vec(1_i64..=9_999_999_999, 1..6),
        ) {
            let shares = split(minor, &weights).unwrap();
            prop_assert_eq!(shares.iter().sum::<i64>(), minor);
            prop_assert!(shares.iter().all(|share| *share >= 0));
        }
    }
}
