//! Money in whole minor units of an ISO 4217 currency. No floats, ever.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use iso_currency::Currency as Iso;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A currency of ISO 4217 in which a payment can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(Iso);

/// A text that names no currency of ISO 4217 with minor units.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a currency code of ISO 4217, such as EUR")]
pub struct CurrencyError;

impl Currency {
    /// The three letters, upper case.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals ISO 4217 gives it: 2 for EUR, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        // Precious metals and test codes have no exponent: nothing can be charged in them.
        Iso::from_code(&text.to_ascii_uppercase())
            .filter(|iso| iso.exponent().is_some())
            .map(Self)
            .ok_or(CurrencyError)
    }
}

impl Display for Currency {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Signed money: what a ledger line or a statement line moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Whole minor units; negative is out.
    pub minor: i64,
    /// The currency the units are of.
    pub currency: Currency,
}

impl Money {
    /// So many minor units of a currency.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The exact decimal text with the currency's own number of decimals: `-1.05`, `1000`, `0.001`.
    #[must_use]
    pub fn to_decimal(self) -> String {
        let decimals = usize::try_from(self.currency.exponent()).unwrap_or_default();
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }
}

impl std::ops::Neg for Money {
    type Output = Self;

    fn neg(self) -> Self {
        Self::new(-self.minor, self.currency)
    }
}

impl Display for Money {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.to_decimal())
    }
}

/// Positive money: what a customer can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(Money);

/// An amount that nobody can be charged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be a whole number of minor units from 1 to {max}", max = Amount::MAX_MINOR)]
pub struct AmountError;

impl Amount {
    /// The most minor units of one payment; Stripe takes up to 12 digits.
    pub const MAX_MINOR: i64 = 999_999_999_999;

    /// Takes minor units of a currency for an amount.
    ///
    /// # Errors
    /// Where there is nothing to charge, or more than any provider takes.
    pub const fn parse(minor: i64, currency: Currency) -> Result<Self, AmountError> {
        if minor < 1 || minor > Self::MAX_MINOR {
            return Err(AmountError);
        }
        Ok(Self(Money::new(minor, currency)))
    }

    /// Whole minor units, at least 1.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.0.minor
    }

    /// The currency the units are of.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.0.currency
    }
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn decimals_follow_iso_4217() {
        assert_eq!(Money::new(12_100, currency("EUR")).to_decimal(), "121.00");
        assert_eq!(Money::new(-5, currency("eur")).to_decimal(), "-0.05");
        assert_eq!(Money::new(1_000, currency("JPY")).to_decimal(), "1000");
        assert_eq!(Money::new(1, currency("KWD")).to_decimal(), "0.001");
        assert_eq!(Money::new(0, currency("EUR")).to_decimal(), "0.00");
    }

    #[test]
    fn what_is_no_currency_is_refused() {
        for text in ["", "EU", "EURO", "XXX", "XAU", "???", "ZZZ"] {
            assert_eq!(text.parse::<Currency>(), Err(CurrencyError), "{text}");
        }
    }

    #[test]
    fn nothing_below_one_unit_or_above_twelve_digits_is_an_amount() {
        for minor in [i64::MIN, -1, 0, Amount::MAX_MINOR + 1, i64::MAX] {
            assert_eq!(Amount::parse(minor, currency("EUR")), Err(AmountError), "{minor}");
        }
    }

    proptest! {
        #[test]
        fn the_decimal_text_loses_no_unit(minor: i64, code in "EUR|JPY|KWD|CLF") {
            let money = Money::new(minor, currency(&code));
            let text = money.to_decimal().replace('.', "");
            prop_assert_eq!(text.parse::<i64>().unwrap(), minor);
        }
    }
}
