//! Amounts as Stripe writes them: ISO 4217's minor units, with Stripe's own exceptions.

use serde::Deserialize;

use crate::domain::money::{Currency, Money};

/// An amount as it stands in Stripe's objects. It is no count of minor units until its currency was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct StripeAmount(i64);

/// An amount that cannot be said in the other's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount of {currency} is not a whole number of units that Stripe takes")]
pub(super) struct Inexpressible {
    currency: Currency,
}

/// How Stripe counts one currency.
#[derive(Clone, Copy, Debug)]
struct Row {
    code: &'static str,
    /// How many decimals its amounts have.
    decimals: u32,
    /// What every amount must be a multiple of.
    step: i64,
}

const fn row(code: &'static str, decimals: u32, step: i64) -> Row {
    Row { code, decimals, step }
}

/// The currencies that Stripe names as special; every other one follows ISO 4217.
///
/// Source: docs.stripe.com/currencies, sections "Zero-decimal", "Three-decimal" and "Special cases". Stripe's pages
/// disagree on UGX: its row says two decimals, as in the special cases.
const SPECIAL: [Row; 22] = [
    row("BHD", 3, 10),
    row("BIF", 0, 1),
    row("CLP", 0, 1),
    row("DJF", 0, 1),
    row("GNF", 0, 1),
    row("ISK", 2, 100),
    row("JOD", 3, 10),
    row("JPY", 0, 1),
    row("KMF", 0, 1),
    row("KRW", 0, 1),
    row("KWD", 3, 10),
    row("MGA", 0, 1),
    row("OMR", 3, 10),
    row("PYG", 0, 1),
    row("RWF", 0, 1),
    row("TND", 3, 10),
    row("UGX", 2, 100),
    row("VND", 0, 1),
    row("VUV", 0, 1),
    row("XAF", 0, 1),
    row("XOF", 0, 1),
    row("XPF", 0, 1),
];

fn row_of(currency: Currency) -> Row {
    let code = currency.code();
    SPECIAL
        .into_iter()
        .find(|row| row.code == code)
        .unwrap_or(row(code, currency.exponent(), 1))
}

impl StripeAmount {
    /// Says minor units as Stripe does.
    pub(super) fn of_minor(minor: i64, currency: Currency) -> Result<Self, Inexpressible> {
        let row = row_of(currency);
        rescale(minor, currency.exponent(), row.decimals)
            .filter(|amount| amount % row.step == 0)
            .map(Self)
            .ok_or(Inexpressible { currency })
    }

    /// Counts minor units. Steps are Stripe's demand on us; what Stripe says is taken wherever it is exact.
    pub(super) fn to_minor(self, currency: Currency) -> Result<i64, Inexpressible> {
        rescale(self.0, row_of(currency).decimals, currency.exponent()).ok_or(Inexpressible { currency })
    }

    /// The same as money.
    pub(super) fn to_money(self, currency: Currency) -> Result<Money, Inexpressible> {
        self.to_minor(currency).map(|minor| Money::new(minor, currency))
    }

    /// The number for a request.
    pub(super) const fn get(self) -> i64 {
        self.0
    }
}

/// The same amount with another number of decimals; `None` where that would lose some of it.
fn rescale(amount: i64, from: u32, to: u32) -> Option<i64> {
    let factor = 10_i64.checked_pow(from.abs_diff(to))?;
    if to >= from {
        amount.checked_mul(factor)
    } else {
        (amount % factor == 0).then_some(amount / factor)
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

    /// Currency, ISO minor units, Stripe's amount, and minor units that Stripe does not take, where there are any.
    const CASES: [(&str, i64, i64, Option<i64>); 26] = [
        ("EUR", 12_100, 12_100, None),
        ("USD", 1, 1, None),
        ("HUF", 150, 150, None),
        ("TWD", 150, 150, None),
        ("BHD", 5_120, 5_120, Some(5_124)),
        ("BIF", 500, 500, None),
        ("CLP", 500, 500, None),
        ("DJF", 500, 500, None),
        ("GNF", 500, 500, None),
        ("ISK", 5, 500, None),
        ("JOD", 5_120, 5_120, Some(5_121)),
        ("JPY", 500, 500, None),
        ("KMF", 500, 500, None),
        ("KRW", 500, 500, None),
        ("KWD", 10, 10, Some(1)),
        ("MGA", 500, 5, Some(501)),
        ("OMR", 5_120, 5_120, Some(5_129)),
        ("PYG", 500, 500, None),
        ("RWF", 500, 500, None),
        ("TND", 5_120, 5_120, Some(5_125)),
        ("UGX", 5, 500, None),
        ("VND", 500, 500, None),
        ("VUV", 500, 500, None),
        ("XAF", 500, 500, None),
        ("XOF", 500, 500, None),
        ("XPF", 500, 500, None),
    ];

    #[test]
    fn each_currency_is_counted_as_stripe_counts_it() {
        for (code, minor, stripe, refused) in CASES {
            let currency = currency(code);
            assert_eq!(
                StripeAmount::of_minor(minor, currency),
                Ok(StripeAmount(stripe)),
                "{code}"
            );
            assert_eq!(StripeAmount(stripe).to_minor(currency), Ok(minor), "{code}");
            if let Some(minor) = refused {
                assert_eq!(
                    StripeAmount::of_minor(minor, currency),
                    Err(Inexpressible { currency }),
                    "{code}"
                );
            }
        }
        assert!(
            SPECIAL
                .iter()
                .all(|row| CASES.iter().any(|case| case.0 == row.code)),
            "a row has no case"
        );
    }

    #[test]
    fn a_fraction_of_a_unit_is_refused_rather_than_rounded() {
        for code in ["ISK", "UGX"] {
            assert!(StripeAmount(501).to_minor(currency(code)).is_err(), "{code}");
        }
    }

    #[test]
    fn an_amount_too_large_for_the_other_units_is_refused_rather_than_wrapped() {
        assert!(StripeAmount::of_minor(i64::MAX, currency("UGX")).is_err());
        assert!(StripeAmount(i64::MIN).to_minor(currency("MGA")).is_err());
    }

    proptest! {
        #[test]
        fn what_stripe_takes_comes_back_unchanged(minor: i64, case in 0..CASES.len()) {
            let currency = currency(CASES[case].0);
            if let Ok(amount) = StripeAmount::of_minor(minor, currency) {
                prop_assert_eq!(amount.to_minor(currency), Ok(minor));
            }
        }

        #[test]
        fn decimal_text_minor_units_and_stripes_amounts_are_three_ways_to_say_one_sum(
            minor in -1_000_000_000_000_i64..=1_000_000_000_000,
            case in 0..CASES.len(),
        ) {
            let currency = currency(CASES[case].0);
            let money = Money::new(minor, currency);
            if let Ok(amount) = StripeAmount::of_minor(minor, currency) {
                let back = amount.to_money(currency).unwrap();
                prop_assert_eq!(Money::parse_decimal(&back.to_decimal(), currency), Ok(money));
            }
        }

        #[test]
        fn what_stripe_says_is_exact_or_refused(amount: i64, case in 0..CASES.len()) {
            let currency = currency(CASES[case].0);
            if let Ok(minor) = StripeAmount(amount).to_minor(currency) {
                let row = row_of(currency);
                prop_assert_eq!(rescale(minor, currency.exponent(), row.decimals), Some(amount));
            }
        }
    }
}
