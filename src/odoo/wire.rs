//! Odoo's values as they travel: numbers kept as text, links, dates.

use std::fmt::{self, Display, Formatter};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::money::{Currency, Money};

/// A text, or `false` where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    /// The text.
    Written(String),
    /// `false`.
    Empty(bool),
}

impl Text {
    /// The text; empty where there is none.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Written(text) => text,
            Self::Empty(_) => "",
        }
    }
}

/// A number exactly as Odoo wrote it. It is never turned into a float.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Decimal(Box<RawValue>);

impl Decimal {
    /// The whole minor units of a currency, or nothing where there are parts of a unit left or it is no number.
    pub(super) fn to_minor(&self, currency: Currency) -> Option<i64> {
        Money::parse_decimal(self.0.get(), currency)
            .ok()
            .map(|money| money.minor)
    }
}

impl Display for Decimal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
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
