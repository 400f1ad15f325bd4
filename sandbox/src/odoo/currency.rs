//! Currencies: their decimals, and what they are worth to the company.

use serde_json::{Number, Value};

use super::books::Books;
use super::table::Table;

/// How a rate is written: in millionths.
const ONE: u64 = 1_000_000;

/// The currencies that the database knows, with how many decimals each has.
const KNOWN: [(&str, u32); 8] = [
    ("EUR", 2),
    ("USD", 2),
    ("GBP", 2),
    ("CHF", 2),
    ("JPY", 0),
    ("KWD", 3),
    ("SEK", 2),
    ("CAD", 2),
];

/// A currency that the database knows.
#[derive(Debug)]
pub(super) struct Currency {
    /// ISO 4217.
    pub(super) name: String,
    pub(super) decimals: u32,
    pub(super) active: bool,
    /// How much of it one unit of the company's is worth, in millionths. Where there is none, Odoo takes one for one.
    pub(super) rate: Option<u64>,
}

/// The known currencies and the id of the company's, which alone is active with those that have a rate.
pub(super) fn all(own: &str, rates: &[(String, u64)]) -> (Table<Currency>, i64) {
    let mut table = Table::starting_at(126);
    let mut found = None;
    let mut known: Vec<(&str, u32)> = KNOWN.to_vec();
    if !known.iter().any(|(name, _)| *name == own) {
        known.push((own, 2));
    }
    for (name, decimals) in known {
        let rate = rates.iter().find(|(of, _)| of == name).map(|(_, rate)| *rate);
        let id = table.add(Currency {
            name: name.to_owned(),
            decimals,
            active: name == own || rate.is_some(),
            rate,
        });
        if name == own {
            found = Some(id);
        }
    }
    (table, found.unwrap_or_default())
}

impl Books {
    /// An active currency by its name.
    pub(super) fn active_currency(&self, name: &str) -> Option<i64> {
        let mut known = self.currencies.iter();
        known
            .find(|(_, currency)| currency.active && currency.name == name)
            .map(|(id, _)| id)
    }

    /// How much of a currency one unit of the company's is, as Odoo writes it.
    pub(super) fn rate(&self, currency: i64) -> Value {
        let rate = self
            .currencies
            .get(currency)
            .and_then(|found| found.rate)
            .unwrap_or(ONE);
        format!("{}.{:06}", rate / ONE, rate % ONE)
            .parse::<Number>()
            .map_or(Value::Null, Value::Number)
    }

    /// Minor units of a currency in those of the company's, rounded half up.
    pub(super) fn in_company_currency(&self, minor: i64, currency: i64) -> i64 {
        if currency == self.currency {
            return minor;
        }
        let (Some(from), Some(to)) = (self.currencies.get(currency), self.currencies.get(self.currency))
        else {
            return 0;
        };
        let scale = |decimals: u32| 10_i128.pow(decimals);
        let over = scale(from.decimals) * i128::from(from.rate.unwrap_or(ONE));
        let amount = i128::from(minor.unsigned_abs()) * scale(to.decimals) * i128::from(ONE);
        let rounded = i64::try_from((2 * amount + over) / (2 * over)).unwrap_or(i64::MAX);
        if minor < 0 { -rounded } else { rounded }
    }

    /// Minor units as Odoo writes money: a number with at least one decimal.
    pub(super) fn money(&self, minor: i64, currency: i64) -> Value {
        let decimals = self.decimals(currency);
        let sign = if minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        format!("{sign}{whole}.{fraction:0<1}")
            .parse::<Number>()
            .map_or(Value::Null, Value::Number)
    }

    /// Whole minor units of a decimal text. A real Odoo keeps parts of a unit on some fields; this one keeps none.
    pub(super) fn minor(&self, text: &str, currency: i64) -> Option<i64> {
        let decimals = self.decimals(currency);
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let (kept, dropped) = fraction.split_at_checked(decimals).unwrap_or((fraction, ""));
        let plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        if digits.is_empty() || !plain(digits) || !plain(kept) || dropped.bytes().any(|digit| digit != b'0') {
            return None;
        }
        format!("{whole}{kept:0<decimals$}").parse().ok()
    }

    fn decimals(&self, currency: i64) -> usize {
        let known = self
            .currencies
            .get(currency)
            .map_or(2, |currency| currency.decimals);
        usize::try_from(known).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_with_at_least_one_decimal() {
        let shown = |currency: &str, minor| {
            let books = Books::new(String::new(), currency, &[]);
            books.money(minor, books.currency).to_string()
        };
        assert_eq!(shown("EUR", 12_100), "121.0");
        assert_eq!(shown("EUR", -207), "-2.07");
        assert_eq!(shown("JPY", 1_234), "1234.0");
        assert_eq!(shown("KWD", 1), "0.001");
    }

    #[test]
    fn a_foreign_amount_is_worth_what_the_rate_says() {
        let books = Books::new(String::new(), "EUR", &[("JPY".to_owned(), 160_000_000)]);
        let yen = books.active_currency("JPY").unwrap_or_default();
        assert_eq!(books.in_company_currency(1_210, yen), 756);
        assert_eq!(books.in_company_currency(-1_210, yen), -756);
        assert_eq!(books.in_company_currency(207, books.currency), 207);
    }
}
