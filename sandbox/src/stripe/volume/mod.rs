//! A great many lines: none is kept, each is made from its number when it is asked for.

mod answers;
mod template;

use std::fmt::Write as _;
use std::ops::Range;

use super::balance::charge_fee;
use template::{Slot, Template, Templates};

/// When the first line was written: 1 January 2026.
const BEGINNING: i64 = 1_767_225_600;
const DAY_SECS: i64 = 24 * 60 * 60;

/// One line in so many is a refund of half of the charge before it.
const REFUND_EVERY: i64 = 20;

/// Payouts of customers' lines, in euros, one a day; all of them landed.
#[derive(Clone, Copy, Debug)]
pub struct Volume {
    /// How many payouts.
    pub payouts: u32,
    /// How many lines each takes beside its own.
    pub lines_each: u32,
    /// The metadatum of the charge with a number.
    pub metadata: Option<fn(i64) -> (String, String)>,
}

/// What a numbered line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberedKind {
    /// Money of a customer.
    Charge,
    /// Half of what the charge with the number before brought.
    Refund,
    /// The payout's own line.
    Payout,
}

/// A line by its number, counted from the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedLine {
    /// Its number; the number in its id, and in its charge's, its intent's or its refund's.
    pub number: i64,
    /// What it is.
    pub kind: NumberedKind,
    /// The number of the payout that took it.
    pub payout: i64,
    /// When it was written.
    pub created: i64,
    /// Its amount in cents.
    pub amount: i64,
    /// What Stripe took of it.
    pub fee: i64,
}

impl Volume {
    /// How many lines there are, payouts' own included.
    #[must_use]
    pub fn lines(&self) -> i64 {
        i64::from(self.payouts) * self.per_payout()
    }

    /// What a payout comes to.
    #[must_use]
    pub fn payout_amount(&self, payout: i64) -> i64 {
        let first = payout * self.per_payout();
        let lines = first..first + i64::from(self.lines_each);
        lines
            .map(|number| {
                let line = self.of_customer(number);
                line.amount - line.fee
            })
            .sum()
    }

    /// A line.
    #[must_use]
    pub fn line(&self, number: i64) -> NumberedLine {
        self.line_with(number, |payout| self.payout_amount(payout))
    }

    /// The id of the object with a number: `txn`, `ch`, `pi`, `re` or `po`.
    #[must_use]
    pub fn id(prefix: &str, number: i64) -> String {
        format!("{prefix}_3V{number:010}")
    }

    /// A line, where it is known what payouts come to.
    fn line_with(&self, number: i64, amount: impl Fn(i64) -> i64) -> NumberedLine {
        let line = self.of_customer(number);
        if number % self.per_payout() < i64::from(self.lines_each) {
            return line;
        }
        NumberedLine {
            kind: NumberedKind::Payout,
            amount: -amount(line.payout),
            fee: 0,
            ..line
        }
    }

    fn per_payout(&self) -> i64 {
        i64::from(self.lines_each) + 1
    }

    fn of_customer(&self, number: i64) -> NumberedLine {
        let (payout, place) = (number / self.per_payout(), number % self.per_payout());
        let created = BEGINNING + payout * DAY_SECS + place * DAY_SECS / self.per_payout();
        let gross = |number: i64| 500 + number * 7_919 % 10_007;
        let (kind, amount, fee) = if place % REFUND_EVERY == REFUND_EVERY - 1 {
            (NumberedKind::Refund, -gross(number - 1) / 2, 0)
        } else {
            let gross = gross(number);
            (NumberedKind::Charge, gross, charge_fee(gross, "eur"))
        };
        NumberedLine {
            number,
            kind,
            payout,
            created,
            amount,
            fee,
        }
    }

    /// The lines that were written from a time on, and until another.
    fn written(&self, within: Range<i64>, from: Option<i64>, until: Option<i64>) -> Range<i64> {
        let first = |wanted: &dyn Fn(i64) -> bool| {
            let (mut low, mut high) = (within.start, within.end);
            while low < high {
                let middle = low + (high - low) / 2;
                if wanted(self.of_customer(middle).created) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            low
        };
        let start = from.map_or(within.start, |from| first(&|created| created >= from));
        let end = until.map_or(within.end, |until| first(&|created| created > until));
        start..end
    }

    fn number(prefix: &str, id: &str, count: i64) -> Option<i64> {
        let digits = id.strip_prefix(prefix)?.strip_prefix("_3V")?;
        digits.parse().ok().filter(|number| (0..count).contains(number))
    }
}

/// A volume with the texts that its answers are made from.
#[derive(Debug)]
pub(crate) struct Archive {
    volume: Volume,
    /// What each payout comes to.
    amounts: Vec<i64>,
    texts: Templates,
}

impl Archive {
    fn line(&self, number: i64) -> NumberedLine {
        self.volume.line_with(number, |payout| self.amount(payout))
    }

    fn amount(&self, payout: i64) -> i64 {
        let place = usize::try_from(payout).ok();
        place
            .and_then(|place| self.amounts.get(place))
            .copied()
            .unwrap_or_default()
    }

    /// Adds a balance transaction; its source as an id, or whole.
    fn write_line(&self, text: &mut String, line: &NumberedLine, expand: bool) {
        let (template, source) = match line.kind {
            NumberedKind::Charge => (&self.texts.charge_line, &self.texts.charge),
            NumberedKind::Refund => (&self.texts.refund_line, &self.texts.refund),
            NumberedKind::Payout => (&self.texts.payout_line, &self.texts.payout),
        };
        self.fill(text, template, line, expand.then_some(source));
    }

    fn fill(&self, text: &mut String, template: &Template, line: &NumberedLine, source: Option<&Template>) {
        for (before, slot) in &template.0 {
            text.push_str(before);
            let Some(slot) = slot else { continue };
            // Writing to a text cannot fail.
            let _ = match slot {
                Slot::Number => write!(text, "{:010}", line.number),
                Slot::ChargeNumber => {
                    let back = i64::from(line.kind == NumberedKind::Refund);
                    write!(text, "{:010}", line.number - back)
                }
                Slot::PayoutNumber => write!(text, "{:010}", line.payout),
                Slot::PayoutLine => {
                    let own = (line.payout + 1) * self.volume.per_payout() - 1;
                    write!(text, "{own:010}")
                }
                Slot::Amount => write!(text, "{}", line.amount),
                Slot::Size => write!(text, "{}", line.amount.abs()),
                Slot::Returned => write!(text, "{}", -line.amount),
                Slot::Fee => write!(text, "{}", line.fee),
                Slot::Net => write!(text, "{}", line.amount - line.fee),
                Slot::Created => write!(text, "{}", line.created),
                Slot::Arrival => write!(text, "{}", line.created + 2 * DAY_SECS),
                Slot::Metadata => self.write_metadata(text, line.number),
                Slot::Source => match source {
                    Some(source) => {
                        self.fill(text, source, line, None);
                        Ok(())
                    }
                    None => match line.kind {
                        NumberedKind::Charge => write!(text, "\"ch_3V{:010}\"", line.number),
                        NumberedKind::Refund => write!(text, "\"re_3V{:010}\"", line.number),
                        NumberedKind::Payout => write!(text, "\"po_3V{:010}\"", line.payout),
                    },
                },
            };
        }
    }

    fn write_metadata(&self, text: &mut String, number: i64) -> std::fmt::Result {
        match self.volume.metadata {
            None => text.write_str("{}"),
            Some(metadata) => {
                let (name, value) = metadata(number);
                write!(text, "{}", serde_json::json!({ name: value }))
            }
        }
    }
}
