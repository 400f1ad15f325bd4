//! A payout as plain text, for a terminal.

use std::fmt::{self, Display, Formatter};

use super::words::{in_words, kind_in_words, spaced, state_in_words};
use crate::app::reconciliation::report::Report;
use crate::domain::money::Money;

/// The text.
pub struct ReportText<'a>(pub &'a Report);

impl ReportText<'_> {
    fn decimal(&self, minor: i64) -> String {
        Money::new(minor, self.0.payout.told.amount.currency).to_decimal()
    }
}

impl Display for ReportText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let told = &report.payout.told;
        writeln!(
            f,
            "{}  {}  {}",
            told.provider_reference,
            told.amount,
            state_in_words(told.state.word())
        )?;
        writeln!(f, "{}\n", in_words(report))?;
        if !report.sums.is_empty() {
            writeln!(
                f,
                "{:<32} {:>8} {:>16} {:>14} {:>16}",
                "type", "lines", "gross", "fees", "net"
            )?;
            for sum in &report.sums {
                writeln!(
                    f,
                    "{:<32} {:>8} {:>16} {:>14} {:>16}",
                    spaced(&sum.kind),
                    sum.count,
                    self.decimal(sum.amount_minor),
                    self.decimal(-sum.fee_minor),
                    self.decimal(sum.net_minor)
                )?;
            }
            writeln!(f)?;
        }
        for open in &report.open {
            writeln!(
                f,
                "open: {}: {}",
                kind_in_words(open.kind),
                open.difference.detail
            )?;
        }
        if !report.open.is_empty() {
            writeln!(f)?;
        }
        for line in &report.lines.data {
            writeln!(
                f,
                "{}  {:<24} {:<28} {:>16} {:>14} {:>16}",
                line.created_at.date(),
                spaced(&line.kind),
                line.reference
                    .as_deref()
                    .or(line.source.as_deref())
                    .unwrap_or_default(),
                self.decimal(line.amount_minor),
                self.decimal(-line.fee_minor),
                self.decimal(line.net_minor)
            )?;
        }
        if report.lines.has_more {
            writeln!(f, "… --format csv has all of its lines")?;
        }
        Ok(())
    }
}
