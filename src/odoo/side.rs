//! One side of a booking as a journal item: its account, its amounts, and what a tax report counts of it.

use crate::domain::ledger::LedgerAccount;
use crate::domain::money::Money;
use crate::domain::posting::Part;
use crate::sink::{Books, Distribution, FeeTax, SinkError};

use super::error::differs;
use super::items::Item;

/// What is imported of every item.
const FIELDS: [&str; 6] = [
    "line_ids/account_id/.id",
    "line_ids/name",
    "line_ids/amount_currency",
    "line_ids/currency_id",
    "line_ids/partner_id/.id",
    "line_ids/balance",
];

/// What is imported besides where the fees bear a tax. `display_type` and the base are what Odoo itself writes beside a bill's tax.
const TAX_FIELDS: [&str; 5] = [
    "line_ids/tax_ids/.id",
    "line_ids/tax_repartition_line_id/.id",
    "line_ids/tax_tag_ids/.id",
    "line_ids/tax_base_amount",
    "line_ids/display_type",
];

/// The fields of an import of items, in the order of [`Side::cells`].
pub(super) fn fields(books: &Books) -> Vec<&'static str> {
    let mut fields = FIELDS.to_vec();
    if books.company_currency.is_none() {
        // Values are ours to give only where it is known which currency the company counts in.
        fields.pop();
    } else if books.fee_tax.is_some() {
        fields.extend(TAX_FIELDS);
    }
    fields
}

/// One item that is to be written.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) account_id: i64,
    pub(super) amount: Money,
    /// What it is worth to the company.
    value: Option<Money>,
    taxed: Taxed,
}

/// What a tax report counts of an item.
#[derive(Debug, Default)]
enum Taxed {
    #[default]
    No,
    /// What the tax is on.
    Base { tax_id: i64, tag_ids: Vec<i64> },
    /// The tax, and what it is on.
    Tax {
        line_id: i64,
        tag_ids: Vec<i64>,
        base: String,
    },
}

impl Side {
    pub(super) const fn new(account_id: i64, amount: Money, value: Option<Money>) -> Self {
        Self {
            account_id,
            amount,
            value,
            taxed: Taxed::No,
        }
    }

    /// The cells of its row, in the order of [`fields`].
    pub(super) fn cells(&self, label: &str, partner_id: Option<i64>) -> Vec<String> {
        let mut cells = vec![
            self.account_id.to_string(),
            label.to_owned(),
            self.amount.to_decimal(),
            self.amount.currency.code().to_owned(),
            partner_id.map(|id| id.to_string()).unwrap_or_default(),
            self.value.map(Money::to_decimal).unwrap_or_default(),
        ];
        let list = |ids: &[i64]| ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let no = String::new;
        cells.extend(match &self.taxed {
            Taxed::No => [no(), no(), no(), no(), "product".to_owned()],
            Taxed::Base { tax_id, tag_ids } => [
                tax_id.to_string(),
                no(),
                list(tag_ids),
                no(),
                "product".to_owned(),
            ],
            Taxed::Tax {
                line_id,
                tag_ids,
                base,
            } => [
                no(),
                line_id.to_string(),
                list(tag_ids),
                base.clone(),
                "tax".to_owned(),
            ],
        });
        cells
    }

    /// Says what a tax report would not count of it as it was sent.
    pub(super) fn check(&self, item: &Item) -> Result<(), SinkError> {
        let (taxes, line, tags) = match &self.taxed {
            Taxed::No => return Ok(()),
            Taxed::Base { tax_id, tag_ids } => (Some(*tax_id), None, &tag_ids[..]),
            Taxed::Tax { line_id, tag_ids, .. } => (None, Some(*line_id), &tag_ids[..]),
        };
        let mut found = item.tax_tag_ids.clone();
        let mut sent = tags.to_vec();
        found.sort_unstable();
        sent.sort_unstable();
        let is_taxed = item.tax_ids.iter().copied().eq(taxes);
        if is_taxed && item.tax_repartition_line_id.id() == line && found == sent {
            return Ok(());
        }
        Err(differs(format!(
            "{} of {} in {} does not bear the tax that is mapped to fees as it was booked",
            item.name.as_str(),
            self.amount,
            item.move_id.name()
        )))
    }
}

/// Has the sides of fees bear the tax that is charged beside them. Fees without one stay as they are: Odoo would work out a tax
/// of its own.
pub(super) fn tax(fee_tax: &FeeTax, parts: &[Part], sides: &mut [Side]) {
    let is_base = |part: &Part| matches!(part.account, LedgerAccount::Fees | LedgerAccount::DisputeFees);
    let of_tax = parts.iter().find(|part| part.account == LedgerAccount::FeeTax);
    let Some(of_tax) = of_tax else { return };
    let Distribution {
        line_id,
        tag_ids,
        base_tag_ids,
    } = if of_tax.amount.minor < 0 {
        &fee_tax.returned
    } else {
        &fee_tax.charged
    };
    let values = parts.iter().zip(&*sides).filter(|(part, _)| is_base(part));
    let base = values
        .filter_map(|(_, side)| side.value)
        .reduce(|sum, value| Money::new(sum.minor + value.minor, sum.currency))
        .map(|sum| Money::new(sum.minor.abs(), sum.currency).to_decimal())
        .unwrap_or_default();
    for (part, side) in parts.iter().zip(sides) {
        if is_base(part) {
            side.taxed = Taxed::Base {
                tax_id: fee_tax.tax_id,
                tag_ids: base_tag_ids.clone(),
            };
        } else if part.account == LedgerAccount::FeeTax {
            side.taxed = Taxed::Tax {
                line_id: *line_id,
                tag_ids: tag_ids.clone(),
                base: base.clone(),
            };
        }
    }
}
