//! Journal items: reading them back, and making debits and credits meet.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use time::Date;

use crate::domain::money::{Currency, Money};
use crate::sink::SinkError;

use super::client::Database;
use super::error::{differs, refused};
use super::wire::{Decimal, Link, Text};

/// A journal item.
pub(super) const MODEL: &str = "account.move.line";
const FIELDS: [&str; 15] = [
    "name",
    "payment_id",
    "move_id",
    "account_id",
    "account_type",
    "partner_id",
    "currency_id",
    "amount_currency",
    "date",
    "parent_state",
    "reconciled",
    "statement_line_id",
    "tax_ids",
    "tax_repartition_line_id",
    "tax_tag_ids",
];

/// One line of a journal entry, as Odoo holds it now.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) name: Text,
    pub(super) payment_id: Link,
    pub(super) move_id: Link,
    pub(super) account_id: Link,
    pub(super) account_type: String,
    pub(super) partner_id: Link,
    pub(super) currency_id: Link,
    pub(super) amount_currency: Decimal,
    pub(super) date: String,
    pub(super) parent_state: String,
    pub(super) reconciled: bool,
    pub(super) statement_line_id: Link,
    pub(super) tax_ids: Vec<i64>,
    pub(super) tax_repartition_line_id: Link,
    pub(super) tax_tag_ids: Vec<i64>,
}

impl Item {
    /// Whether it is a customer's debt, or what was paid on one.
    pub(super) fn is_receivable(&self) -> bool {
        self.account_type == "asset_receivable"
    }

    /// Says what is not as it was sent: the state, the day, the currency, the amount.
    pub(super) fn check(&self, amount: Money, date: Date) -> Result<(), SinkError> {
        let name = self.move_id.name();
        if self.parent_state != "posted" {
            return Err(differs(format!("{name} is not posted but {}", self.parent_state)));
        }
        if self.date != date.to_string() {
            return Err(differs(format!(
                "{name} is dated {} and not {date}: is the period locked?",
                self.date
            )));
        }
        if !self.amounts_to(amount) {
            let currency = self.currency_id.name();
            return Err(differs(format!(
                "{name} has {currency} {} and not {amount}",
                self.amount_currency
            )));
        }
        Ok(())
    }

    /// Whether it is of this amount, to the minor unit.
    pub(super) fn amounts_to(&self, amount: Money) -> bool {
        self.money(amount.currency) == Some(amount)
    }

    fn money(&self, currency: Currency) -> Option<Money> {
        let minor = self.amount_currency.to_minor(currency)?;
        (self.currency_id.name() == currency.code()).then(|| Money::new(minor, currency))
    }
}

/// The journal items that fit a domain.
pub(super) async fn find(odoo: &Database<'_>, domain: Value) -> Result<Vec<Item>, SinkError> {
    odoo.search(MODEL, domain, &FIELDS).await
}

/// Reconciles debits with one credit or the reverse, and reads how much of them met.
///
/// A repeat is refused by Odoo as already reconciled, in the words of the user's language. So it is not the answer
/// that counts but what stands between the items afterwards.
pub(super) async fn reconcile(
    odoo: &Database<'_>,
    debits: &[&Item],
    credits: &[&Item],
    expected: Money,
) -> Result<(), SinkError> {
    let open: Vec<i64> = debits
        .iter()
        .chain(credits)
        .filter(|item| !item.reconciled)
        .map(|item| item.id)
        .collect();
    let answer = odoo
        .call::<IgnoredAny>(MODEL, "reconcile", json!({ "ids": open }))
        .await;
    let refusal = match answer {
        Ok(_) => None,
        Err(SinkError::Refused { message }) => Some(message),
        Err(other) => return Err(other),
    };
    let met = met(odoo, debits, credits, expected.currency).await?;
    match refusal {
        _ if met == expected => Ok(()),
        Some(message) if met.minor == 0 => Err(refused(message)),
        _ => {
            let names = |items: &[&Item]| items.first().map(|item| item.move_id.name().to_owned());
            let (debit, credit) = (
                names(debits).unwrap_or_default(),
                names(credits).unwrap_or_default(),
            );
            Err(differs(format!(
                "{met} of {expected} met between {debit} and {credit}"
            )))
        }
    }
}

/// Where debits and credits meet.
const MEETING: &str = "account.partial.reconcile";

/// One meeting of a debit and a credit.
#[derive(Debug, Deserialize)]
pub(super) struct Meeting {
    id: i64,
    debit_move_id: Link,
    credit_move_id: Link,
    debit_amount_currency: Decimal,
}

impl Meeting {
    /// The items that met.
    pub(super) fn items(&self) -> [Option<i64>; 2] {
        [self.debit_move_id.id(), self.credit_move_id.id()]
    }

    /// Whether an item is one of the two.
    pub(super) fn has(&self, item: &Item) -> bool {
        self.items().contains(&Some(item.id))
    }
}

async fn find_meetings(odoo: &Database<'_>, domain: Value) -> Result<Vec<Meeting>, SinkError> {
    let fields = ["debit_move_id", "credit_move_id", "debit_amount_currency"];
    odoo.search(MEETING, domain, &fields).await
}

fn ids(items: &[&Item]) -> Vec<i64> {
    items.iter().map(|item| item.id).collect()
}

/// All meetings of items.
pub(super) async fn meetings(odoo: &Database<'_>, items: &[&Item]) -> Result<Vec<Meeting>, SinkError> {
    let ids = ids(items);
    let domain = json!(["|", ["debit_move_id", "in", ids], ["credit_move_id", "in", ids]]);
    find_meetings(odoo, domain).await
}

/// Undoes meetings, by what they are and not by the items that met: a call that Odoo carries out late, after its worker was killed
/// and another went on, must leave alone what has met since.
pub(super) async fn part(odoo: &Database<'_>, meetings: &[Meeting]) -> Result<(), SinkError> {
    if meetings.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = meetings.iter().map(|meeting| meeting.id).collect();
    let answer = odoo
        .call::<IgnoredAny>(MEETING, "unlink", json!({ "ids": ids }))
        .await;
    match answer {
        // It is refused where another did it first.
        Err(SinkError::Refused { .. })
            if find_meetings(odoo, json!([["id", "in", ids]])).await?.is_empty() =>
        {
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

/// How much of debits and credits met.
pub(super) async fn met(
    odoo: &Database<'_>,
    debits: &[&Item],
    credits: &[&Item],
    currency: Currency,
) -> Result<Money, SinkError> {
    let domain = json!([
        ["debit_move_id", "in", ids(debits)],
        ["credit_move_id", "in", ids(credits)]
    ]);
    sum_met(&find_meetings(odoo, domain).await?, currency)
}

/// How much met in meetings.
pub(super) fn sum_met<'a>(
    meetings: impl IntoIterator<Item = &'a Meeting>,
    currency: Currency,
) -> Result<Money, SinkError> {
    meetings
        .into_iter()
        .try_fold(0_i64, |sum, meeting| {
            sum.checked_add(meeting.debit_amount_currency.to_minor(currency)?)
        })
        .map(|minor| Money::new(minor, currency))
        .ok_or_else(|| differs("the amount that met is no whole number of minor units"))
}

/// What posted items of one currency leave on an account.
#[derive(Debug, Deserialize)]
struct Group {
    currency_id: Link,
    amount_currency: Decimal,
}

/// What posted items leave on an account in a currency. Odoo adds them up.
pub(super) async fn sum(
    odoo: &Database<'_>,
    account_id: i64,
    currency: Currency,
) -> Result<Money, SinkError> {
    let arguments = json!({
        "domain": [["account_id", "=", account_id], ["parent_state", "=", "posted"]],
        "fields": ["amount_currency:sum"],
        "groupby": ["currency_id"],
    });
    let groups: Vec<Group> = odoo.call(MODEL, "read_group", arguments).await?;
    let Some(group) = groups
        .iter()
        .find(|group| group.currency_id.name() == currency.code())
    else {
        return Ok(Money::new(0, currency));
    };
    let minor = group
        .amount_currency
        .to_minor(currency)
        .ok_or_else(|| differs("what the journal holds is no whole number of minor units"))?;
    Ok(Money::new(minor, currency))
}
