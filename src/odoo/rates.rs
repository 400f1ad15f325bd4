//! What amounts are worth to a company that counts in another currency than its journal: Odoo's own rates, and no floats.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;
use time::Date;

use crate::domain::money::{Currency, Money};
use crate::domain::posting::Part;
use crate::sink::{Books, SinkError};

use super::booking::Booking;
use super::client::Database;
use super::error::refused;
use super::wire::Decimal;

/// The rates of the journal's currency on some days: how much of it one unit of the company's is.
#[derive(Debug, Default)]
pub(super) struct Rates(HashMap<Date, Ratio>);

/// A decimal number as a fraction of whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ratio {
    over: i128,
    under: i128,
}

#[derive(Debug, Deserialize)]
struct Row {
    rate: Decimal,
}

impl Rates {
    /// Asks for the days of the bookings, where the company counts in another currency than the journal.
    pub(super) async fn find(
        odoo: &Database<'_>,
        books: &Books,
        bookings: &[Booking<'_>],
    ) -> Result<Self, SinkError> {
        let mut found = HashMap::new();
        if books
            .company_currency
            .as_ref()
            .is_none_or(|company| *company == books.currency)
        {
            return Ok(Self(found));
        }
        for booking in bookings {
            if found.contains_key(&booking.date) {
                continue;
            }
            let rows: Vec<Row> = odoo
                .call(
                    "res.currency",
                    "search_read",
                    json!({
                        "domain": [["name", "=", books.currency]], "fields": ["rate"],
                        "context": { "date": booking.date.to_string() },
                    }),
                )
                .await?;
            let rate = rows
                .first()
                .and_then(|row| Ratio::parse(&row.rate.to_string()))
                .ok_or_else(|| {
                    refused(format!(
                        "Odoo has no rate of {} on {}",
                        books.currency, booking.date
                    ))
                })?;
            found.insert(booking.date, rate);
        }
        Ok(Self(found))
    }

    /// What each part of a booking is worth in the company's currency; nothing where that is not known. What is in that currency is
    /// worth what it is, and the largest of the others takes what is left, so that they sum to zero.
    pub(super) fn value(
        &self,
        books: &Books,
        booking: &Booking<'_>,
    ) -> Result<Vec<Option<Money>>, SinkError> {
        let Some(company) = &books.company_currency else {
            return same_currency(books, booking.parts);
        };
        let corrupt = |_| refused("a currency of the mapped journal is unknown here");
        let company: Currency = company.parse().map_err(corrupt)?;
        let journal: Currency = books.currency.parse().map_err(corrupt)?;
        let rate = self.0.get(&booking.date);
        let value = |part: &Part| match rate {
            Some(_) if part.amount.currency == company => Some(part.amount.minor),
            Some(rate) => rate.divide(part.value_minor, journal, company),
            None => Some(part.value_minor),
        };
        let mut values: Vec<i64> = booking
            .parts
            .iter()
            .map(value)
            .collect::<Option<_>>()
            .ok_or_else(|| refused("a part is too large for the company's currency"))?;
        let rounded: i64 = values.iter().sum();
        let others = values
            .iter_mut()
            .zip(booking.parts)
            .filter(|(_, part)| part.amount.currency != company);
        let largest = others.max_by_key(|(value, _)| value.unsigned_abs());
        if let (Some(_), Some((largest, _))) = (rate, largest) {
            *largest -= rounded;
        }
        Ok(values
            .into_iter()
            .map(|minor| Some(Money::new(minor, company)))
            .collect())
    }
}

/// Without the company's currency only one is understood.
fn same_currency(books: &Books, parts: &[Part]) -> Result<Vec<Option<Money>>, SinkError> {
    match parts
        .iter()
        .find(|part| part.amount.currency.code() != books.currency)
    {
        None => Ok(parts.iter().map(|_| None).collect()),
        Some(other) => Err(refused(format!(
            "the journal holds {} and cannot take {}: `quittance odoo setup` maps one that can",
            books.currency, other.amount
        ))),
    }
}

impl Ratio {
    /// Reads `1.0842` or `6.5e-03`.
    fn parse(text: &str) -> Option<Self> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let over: i128 = format!("{whole}{part}").parse().ok()?;
        let shift = exponent - i32::try_from(part.len()).ok()?;
        let power = 10_i128.checked_pow(shift.unsigned_abs())?;
        let (over, under) = if shift < 0 {
            (over, power)
        } else {
            (over.checked_mul(power)?, 1)
        };
        (over > 0).then_some(Self { over, under })
    }

    /// So many minor units of one currency in another's, the half away from zero.
    fn divide(self, minor: i64, from: Currency, to: Currency) -> Option<i64> {
        let scale = |currency: Currency| 10_i128.checked_pow(currency.exponent());
        let over = i128::from(minor)
            .checked_mul(self.under)?
            .checked_mul(scale(to)?)?;
        let under = self.over.checked_mul(scale(from)?)?;
        let half = if over < 0 { -under / 2 } else { under / 2 };
        i64::try_from((over + half) / under).ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use proptest::prelude::*;

    use crate::domain::ledger::LedgerAccount::{Fees, ProviderBalance, ReceivableClearing};

    use super::*;

    #[test]
    fn a_rate_is_read_to_its_last_digit() {
        let ratio = |over, under| Some(Ratio { over, under });
        assert_eq!(Ratio::parse("1.0842"), ratio(10_842, 10_000));
        assert_eq!(Ratio::parse("160"), ratio(160, 1));
        assert_eq!(Ratio::parse("6.5e-03"), ratio(65, 10_000));
        assert_eq!(Ratio::parse("2e2"), ratio(200, 1));
        for text in ["", "0.0", "-1.5", "one"] {
            assert_eq!(Ratio::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_is_in_the_minor_units_of_its_own_currency() {
        let [gbp, jpy, kwd]: [Currency; 3] = ["GBP", "JPY", "KWD"].map(|code| code.parse().unwrap());
        assert_eq!(
            Ratio::parse("160").unwrap().divide(16_000, jpy, gbp),
            Some(10_000)
        );
        assert_eq!(Ratio::parse("0.4").unwrap().divide(-1_001, kwd, gbp), Some(-250));
        assert_eq!(Ratio::parse("2").unwrap().divide(1, gbp, gbp), Some(1));
    }

    #[test]
    fn what_is_in_the_companys_currency_is_worth_what_it_is() {
        let date = Date::from_calendar_date(2026, time::Month::November, 24).unwrap();
        let part = |account, minor, code: &str, value_minor| Part {
            account,
            amount: Money::new(minor, code.parse().unwrap()),
            value_minor,
        };
        let parts = [
            part(ProviderBalance, 11_600, "EUR", 11_600),
            part(Fees, 200, "EUR", 200),
            part(ReceivableClearing, -10_000, "GBP", -11_800),
        ];
        let booking = Booking {
            source: "txn_1",
            date,
            label: "",
            parts: &parts,
            meets: None,
        };
        let rates = Rates(
            [(
                date,
                Ratio {
                    over: 115,
                    under: 100,
                },
            )]
            .into(),
        );
        let values = rates.value(&crate::odoo::tests::books(), &booking).unwrap();
        let minors: Vec<i64> = values.into_iter().map(|value| value.unwrap().minor).collect();
        assert_eq!(minors, [9_826, 174, -10_000]);
    }

    proptest! {
        #[test]
        fn the_parts_of_a_booking_are_worth_nothing_together(
            minors in prop::collection::vec(-9_999_999_i64..9_999_999, 1..5), rate in 1_u32..9_999_999,
        ) {
            let home = |minor| Part {
                account: crate::domain::ledger::LedgerAccount::Fees,
                amount: Money::new(minor, "EUR".parse().unwrap()),
                value_minor: minor,
            };
            let date = Date::from_calendar_date(2026, time::Month::November, 24).unwrap();
            let rest = home(-minors.iter().sum::<i64>());
            let parts: Vec<Part> = minors.into_iter().map(home).chain([rest]).collect();
            let booking = Booking { source: "txn_1", date, label: "", parts: &parts, meets: None };
            let rates = Rates([(date, Ratio { over: rate.into(), under: 1_000_000 })].into());
            let values = rates.value(&crate::odoo::tests::books(), &booking).unwrap();
            prop_assert_eq!(values.into_iter().map(|value| value.unwrap().minor).sum::<i64>(), 0);
        }
    }
}
