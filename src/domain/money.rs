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

/// A text that is no whole number of a currency's minor units.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a decimal number of {currency} with {decimals} decimals at most", decimals = .currency.exponent())]
pub struct DecimalError {
    currency: Currency,
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

    /// Reads a decimal text exactly: zeros after the last unit may be there or not; a sign, digits and one point, and nothing
    /// else.
    ///
    /// # Errors
    /// [`DecimalError`] where it is no number, has parts of a unit, or is more than can be counted. Nothing is rounded.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, DecimalError> {
        let (is_out, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let decimals = usize::try_from(currency.exponent()).unwrap_or_default();
        let (kept, dropped) = fraction.split_at_checked(decimals).unwrap_or((fraction, ""));
        let all_digits = format!("{whole}{kept:0<decimals$}");
        let fits = !whole.is_empty()
            && dropped.bytes().all(|digit| digit == b'0')
            && all_digits.bytes().all(|digit| digit.is_ascii_digit());
        let sign = if is_out { "-" } else { "" };
        let minor = format!("{sign}{all_digits}").parse().ok().filter(|_| fits);
        minor
            .map(|minor| Self::new(minor, currency))
            .ok_or(DecimalError { currency })
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

    fn minor(text: &str, code: &str) -> Option<i64> {
        Money::parse_decimal(text, currency(code))
            .ok()
            .map(|money| money.minor)
    }

    #[test]
    fn zeros_after_the_point_may_be_there_or_not() {
        for (text, wanted) in [
            ("121.0", 12_100),
            ("-2.07", -207),
            ("0.1", 10),
            ("5", 500),
            ("1.100", 110),
        ] {
            assert_eq!(minor(text, "EUR"), Some(wanted), "{text}");
        }
        assert_eq!(minor("1234.0", "JPY"), Some(1_234));
        assert_eq!(minor("0.001", "KWD"), Some(1));
    }

    #[test]
    fn what_is_not_whole_units_is_not_rounded_and_what_is_too_much_is_not_wrapped() {
        let odd = [
            "1.005", "1e-05", "", "-", ".5", "+1.00", "1.-5", "--1", "1.2.3", "null", "NaN",
        ];
        for text in odd
            .into_iter()
            .chain(["92233720368547758.08", "99999999999999999999"])
        {
            assert_eq!(minor(text, "EUR"), None, "{text}");
        }
        assert_eq!(minor("0.5", "JPY"), None);
        assert_eq!(minor("-92233720368547758.08", "EUR"), Some(i64::MIN));
    }

    proptest! {
        #[test]
        fn every_amount_comes_back_from_its_decimal_text(minor: i64, code in "EUR|JPY|KWD|CLF") {
            let money = Money::new(minor, currency(&code));
            prop_assert_eq!(Money::parse_decimal(&money.to_decimal(), currency(&code)), Ok(money));
        }

        #[test]
        fn no_text_is_read_as_something_else_than_it_says(text in "-?[0-9]{1,25}(\\.[0-9]{0,6})?", code in "EUR|JPY|KWD") {
            if let Ok(money) = Money::parse_decimal(&text, currency(&code)) {
                let zeros = |text: &str| {
                    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
                    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
                    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
                    let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
                    format!("{sign}{whole}.{fraction}")
                };
                prop_assert_eq!(zeros(&money.to_decimal()), zeros(&text));
            }
        }
    }
}
