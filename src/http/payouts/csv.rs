//! The lines of a payout as CSV (RFC 4180), for spreadsheets and programs.
//!
//! Every text is quoted, and one that a spreadsheet would take for a formula begins with an apostrophe: what customers and providers
//! write runs nowhere. Numbers are ours, and bare.

use std::fmt::{self, Display, Formatter};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::reconciliation::report::PayoutLine;
use crate::domain::money::{Currency, Money};

/// The columns; the contract says what each holds.
pub(super) const COLUMNS: [&str; 17] = [
    "payout",
    "line",
    "type",
    "category",
    "source",
    "payment",
    "reference",
    "description",
    "created_at",
    "available_on",
    "currency",
    "amount",
    "fee",
    "net",
    "amount_minor",
    "fee_minor",
    "net_minor",
];

/// The first row.
#[must_use]
pub fn csv_header() -> String {
    format!("{}\r\n", COLUMNS.join(","))
}

/// A row for each line.
#[must_use]
pub fn csv_rows(payout: &str, lines: &[PayoutLine]) -> String {
    let rows = lines.iter().map(|line| Row { payout, line }.to_string());
    rows.collect()
}

struct Row<'a> {
    payout: &'a str,
    line: &'a PayoutLine,
}

impl Display for Row<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let line = self.line;
        let payment = line.payment_id.map(|id| id.to_string());
        for text in [
            Some(self.payout),
            Some(&line.id),
            Some(&line.kind),
            line.reporting_category.as_deref(),
            line.source.as_deref(),
            payment.as_deref(),
            line.reference.as_deref(),
            line.description.as_deref(),
            Some(&moment(line.created_at)),
            line.available_on.map(moment).as_deref(),
            Some(&line.currency),
        ] {
            write!(f, "{},", Cell(text.unwrap_or_default()))?;
        }
        let minors = [line.amount_minor, line.fee_minor, line.net_minor];
        if let Ok(currency) = line.currency.parse::<Currency>() {
            for minor in minors {
                write!(f, "{},", Money::new(minor, currency).to_decimal())?;
            }
        } else {
            f.write_str(",,,")?;
        }
        let [amount, fee, net] = minors;
        write!(f, "{amount},{fee},{net}\r\n")
    }
}

fn moment(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// A text that no spreadsheet takes for anything else.
struct Cell<'a>(&'a str);

impl Display for Cell<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let first = self.0.trim_start_matches([' ', '\u{feff}']).chars().next();
        // The wide ones too: some spreadsheets read them as the others. https://owasp.org/www-community/attacks/CSV_Injection
        let runs = first.is_some_and(|first| "=+-@\t\r\n\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(first));
        let apostrophe = if runs { "'" } else { "" };
        write!(f, "\"{apostrophe}{}\"", self.0.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn line(description: &str) -> PayoutLine {
        PayoutLine {
            id: "txn_1".to_owned(),
            kind: "charge".to_owned(),
            reporting_category: None,
            description: Some(description.to_owned()),
            source: Some("ch_1".to_owned()),
            payment_id: None,
            reference: None,
            currency: "KWD".to_owned(),
            amount_minor: -1_005,
            fee_minor: 5,
            net_minor: -1_010,
            created_at: OffsetDateTime::UNIX_EPOCH,
            available_on: None,
        }
    }

    #[test]
    fn a_row_has_the_columns_of_the_header_with_amounts_as_decimals_and_in_minor_units() {
        let row = csv_rows("po_1", &[line("a, \"b\"\nc")]);
        assert_eq!(
            row,
            "\"po_1\",\"txn_1\",\"charge\",,\"ch_1\",,,\"a, \"\"b\"\"\nc\",\"1970-01-01T00:00:00Z\",,\"KWD\",\
             -1.005,0.005,-1.010,-1005,5,-1010\r\n"
        );
        let row = csv_rows("po_1", &[line("plain")]);
        assert_eq!(row.matches(',').count(), csv_header().matches(',').count());
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            " =1",
            "\u{ff1d}1",
            "\u{feff}=1",
        ] {
            let row = csv_rows("po_1", &[line(text)]);
            assert!(row.contains(&format!("\"'{text}\"")), "{text:?}: {row}");
        }
        let row = csv_rows("po_1", &[line("1-1=0")]);
        assert!(row.contains("\"1-1=0\""), "{row}");
        let parsed: Vec<&str> = row.trim_end().split(',').collect();
        assert_eq!(parsed.last().copied().unwrap(), "-1010");
    }
}
