//! A payout as a page to read, to print and to hand to an auditor: no script, nothing from elsewhere.

use std::fmt::{self, Display, Formatter};
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

use super::words::{in_words, kind_in_words, spaced, state_in_words};
use crate::app::reconciliation::report::{PayoutLine, Report};
use crate::domain::money::Money;

const STYLE: &str = include_str!("report.css");

/// What the page may do: show itself, in its one style, and nothing else.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The page.
pub(super) struct ReportPage<'a>(pub(super) &'a Report);

impl Display for ReportPage<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let reference = Text(&report.payout.told.provider_reference);
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"referrer\" content=\"no-referrer\">\
             <title>Payout {reference}</title><style>{STYLE}</style></head>\n<body><main>\n"
        )?;
        self.heading(f)?;
        self.facts(f)?;
        self.sums(f)?;
        self.open(f)?;
        self.lines(f)?;
        let taken = moment(report.taken_at);
        write!(
            f,
            "<footer>Quittance, as it stood at {taken}. All times are UTC.</footer>\n</main></body></html>\n"
        )
    }
}

impl ReportPage<'_> {
    fn money(&self, minor: i64) -> Amount {
        Amount(Money::new(minor, self.0.payout.told.amount.currency))
    }

    fn heading(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let told = &report.payout.told;
        let (class, word) = match (report.is_explained(), report.read_at, told.is_automatic) {
            (true, ..) => ("good", "Explained to the cent"),
            (false, Some(_), _) => ("bad", "Not explained yet"),
            (false, None, true) => ("wait", "Not read yet"),
            (false, None, false) => ("wait", "Not itemized"),
        };
        writeln!(
            f,
            "<header><p class=\"over\">Payout reconciliation</p><h1>{} <span class=\"cur\">{}</span></h1>\
             <p class=\"state {class}\"><span class=\"dot\"></span>{word}</p><p class=\"lead\">{}</p></header>",
            self.money(told.amount.minor),
            told.amount.currency,
            Text(&in_words(report)),
        )
    }

    fn facts(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let payout = &self.0.payout;
        let told = &payout.told;
        let arrives = told.arrives_on.map(|day| day.to_string());
        let read = self.0.read_at.map(moment);
        let made = if told.is_automatic {
            "by the provider's schedule"
        } else {
            "by hand"
        };
        let failure = told.failure_message.as_deref().or(told.failure_code.as_deref());
        f.write_str("<dl>")?;
        for (name, value) in [
            ("Payout", Some(told.provider_reference.as_str())),
            ("State", Some(state_in_words(told.state.word()).as_str())),
            ("Why it failed", failure),
            ("At the bank", arrives.as_deref()),
            ("Opened", Some(&moment(told.opened_at))),
            ("Made", Some(made)),
            ("Lines read", read.as_deref()),
            ("Account", Some(&payout.provider_account_id.to_string())),
            ("Here", Some(&payout.id.to_string())),
        ] {
            if let Some(value) = value {
                write!(f, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(value))?;
            }
        }
        f.write_str("</dl>\n")
    }

    fn sums(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        if report.sums.is_empty() {
            return Ok(());
        }
        f.write_str(
            "<section><h2>What it is made of</h2><table class=\"sums\"><thead><tr><th>Type</th>\
             <th class=\"n\">Lines</th><th class=\"n\">Gross</th><th class=\"n\">Fees</th><th class=\"n\">Net</th>\
             </tr></thead><tbody>\n",
        )?;
        let others = report.sums.iter().filter(|sum| !sum.is_own);
        let (mut count, mut amount, mut fee) = (0, 0, 0);
        for sum in others {
            writeln!(
                f,
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td></tr>",
                Text(&spaced(&sum.kind)),
                sum.count,
                self.money(sum.amount_minor),
                self.money(-sum.fee_minor),
                self.money(sum.net_minor),
            )?;
            count += sum.count;
            amount += sum.amount_minor;
            fee += sum.fee_minor;
        }
        writeln!(
            f,
            "</tbody><tfoot><tr><th>Together</th><td class=\"n\">{count}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\
             <tr><th colspan=\"4\">The payout</th><td class=\"n\">{}</td></tr>\
             <tr class=\"{}\"><th colspan=\"4\">Difference</th><td class=\"n\">{}</td></tr></tfoot></table></section>",
            self.money(amount),
            self.money(-fee),
            self.money(report.net.minor),
            self.money(report.payout.told.amount.minor),
            if report.difference_minor() == 0 {
                "even"
            } else {
                "odd"
            },
            self.money(report.difference_minor()),
        )
    }

    fn open(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let open = &self.0.open;
        if open.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "<section><h2>Open differences ({})</h2><ul class=\"open\">",
            open.len()
        )?;
        for exception in open {
            writeln!(
                f,
                "<li><strong>{}</strong><p>{}</p><small>{}, since {}</small></li>",
                Text(&kind_in_words(exception.kind)),
                Text(&exception.difference.detail),
                exception.id,
                moment(exception.opened_at),
            )?;
        }
        f.write_str("</ul></section>\n")
    }

    fn lines(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lines = &self.0.lines;
        if lines.data.is_empty() {
            return Ok(());
        }
        let all = if lines.has_more {
            format!("The first {} lines. ", lines.data.len())
        } else {
            String::new()
        };
        writeln!(
            f,
            "<section class=\"lines\"><h2>Lines</h2><p class=\"all\">{all}<a href=\"?format=csv\">All lines as CSV</a></p>\
             <table><thead><tr><th>When</th><th>What</th><th>For</th><th class=\"n\">Gross</th><th class=\"n\">Fee</th>\
             <th class=\"n\">Net</th></tr></thead><tbody>"
        )?;
        for line in &lines.data {
            self.line(f, line)?;
        }
        f.write_str("</tbody></table></section>\n")
    }

    fn line(&self, f: &mut Formatter<'_>, line: &PayoutLine) -> fmt::Result {
        let is_open = self.0.open.iter().any(|open| open.subject == line.id);
        writeln!(
            f,
            "<tr{}><td>{}</td><td>{}<small>{}</small></td><td>{}<small>{}</small></td>\
             <td class=\"n\" data-is=\"Gross\">{}</td><td class=\"n\" data-is=\"Fee\">{}</td>\
             <td class=\"n\" data-is=\"Net\">{}</td></tr>",
            if is_open { " class=\"odd\"" } else { "" },
            moment(line.created_at),
            Text(&spaced(&line.kind)),
            Text(&line.id),
            Text(line.reference.as_deref().unwrap_or_default()),
            Text(line.source.as_deref().unwrap_or_default()),
            self.money(line.amount_minor),
            self.money(-line.fee_minor),
            self.money(line.net_minor),
        )
    }
}

/// A moment to the minute.
fn moment(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    at.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

/// An amount with its thousands apart, and a minus that is as wide as a digit.
struct Amount(Money);

impl Display for Amount {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let decimal = self.0.to_decimal();
        let digits = decimal.trim_start_matches('-');
        if digits.len() < decimal.len() {
            f.write_str("\u{2212}")?;
        }
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        for (place, digit) in whole.char_indices() {
            if place > 0 && (whole.len() - place) % 3 == 0 {
                f.write_str("\u{202f}")?;
            }
            write!(f, "{digit}")?;
        }
        if fraction.is_empty() {
            Ok(())
        } else {
            write!(f, ".{fraction}")
        }
    }
}

/// A text as a page shows it, whatever is in it.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn an_amount_is_grouped_and_exact() {
        for (minor, code, shown) in [
            (123_456_789, "EUR", "1\u{202f}234\u{202f}567.89"),
            (-5, "EUR", "\u{2212}0.05"),
            (1_000, "JPY", "1\u{202f}000"),
            (-999_999, "JPY", "\u{2212}999\u{202f}999"),
            (1, "KWD", "0.001"),
        ] {
            let money = Money::new(minor, code.parse().unwrap());
            assert_eq!(Amount(money).to_string(), shown);
        }
    }

    #[test]
    fn what_others_wrote_is_text_and_no_markup() {
        let shown = Text("<script>alert('1')</script> & \"more\"").to_string();
        assert_eq!(
            shown,
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;more&quot;"
        );
    }
}
