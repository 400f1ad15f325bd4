//! Odoo's values as they travel: numbers kept as text, links, dates.

use std::fmt::{self, Display, Formatter};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::money::Currency;

/// A number exactly as Odoo wrote it. It is never turned into a float.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Decimal(Box<RawValue>);

impl Decimal {
    /// The whole minor units of a currency, or nothing where there are parts of a unit left or it is no number.
    pub(super) fn to_minor(&self, currency: Currency) -> Option<i64> {
        minor_units(self.0.get(), currency.exponent())
    }
}

impl Display for Decimal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

fn minor_units(text: &str, exponent: u32) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let decimals = usize::try_from(exponent).ok()?;
    let (kept, dropped) = fraction.split_at_checked(decimals).unwrap_or((fraction, ""));
    if whole.is_empty() || dropped.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let digits = format!("{whole}{kept:0<decimals$}");
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let units: i64 = digits.parse().ok()?;
    Some(if negative { -units } else { units })
}

/// A link to one record: `[7, "Stripe"]`, or `false` where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Link {
    /// A record's id and the name it shows.
    To(i64, String),
    /// `false`.
    Nowhere(bool),
}

impl Link {
    /// The record's id.
    pub(super) fn id(&self) -> Option<i64> {
        match self {
            Self::To(id, _) => Some(*id),
            Self::Nowhere(_) => None,
        }
    }

    /// The name it shows; empty where there is no record.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::To(_, name) => name,
            Self::Nowhere(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use proptest::prelude::*;

    use super::*;
    use crate::domain::money::Money;

    #[test]
    fn odoo_drops_and_adds_zeros_after_the_point() {
        for (text, minor) in [
            ("121.0", 12_100),
            ("-2.07", -207),
            ("0.1", 10),
            ("5", 500),
            ("1.100", 110),
        ] {
            assert_eq!(minor_units(text, 2), Some(minor), "{text}");
        }
        assert_eq!(minor_units("1234.0", 0), Some(1_234));
    }

    #[test]
    fn what_is_not_whole_units_is_not_rounded() {
        for text in [
            "1.005",
            "1e-05",
            "",
            "-",
            ".5",
            "+1.00",
            "1.-5",
            "null",
            "NaN",
            "99999999999999999999",
        ] {
            assert_eq!(minor_units(text, 2), None, "{text}");
        }
        assert_eq!(minor_units("0.5", 0), None);
    }

    #[test]
    fn a_link_may_lead_nowhere() {
        let links: Vec<Link> = serde_json::from_str(r#"[[7, "Stripe"], false]"#).unwrap();
        assert_eq!(links[0].id(), Some(7));
        assert_eq!(links[1].id(), None);
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_read(minor in -999_999_999_999_i64..=999_999_999_999, code in "EUR|JPY|KWD") {
            let money = Money::new(minor, code.parse().unwrap());
            let read: Decimal = serde_json::from_str(&money.to_decimal()).unwrap();
            prop_assert_eq!(read.to_minor(money.currency), Some(minor));
        }
    }
}
