//! Which capture a line in another currency is of, told by the provider's rate. Nothing is booked by a rate: it only says which of
//! the amounts that are known it was.

use super::money::{Currency, Money};

/// How many decimals a rate has at least: providers drop zeros at its end.
const LEAST_DECIMALS: u32 = 6;

/// A rate as its provider's decimal text has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    digits: i128,
    decimals: u32,
}

impl Rate {
    /// Reads a decimal text, such as `1.22133`; none where it is no positive number that can be counted with.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all = format!("{whole}{fraction:0<6}");
        let is_number =
            !whole.is_empty() && all.len() <= 18 && all.bytes().all(|digit| digit.is_ascii_digit());
        let digits = all.parse().ok().filter(|digits| is_number && *digits > 0)?;
        let decimals = u32::try_from(fraction.len()).ok()?.max(LEAST_DECIMALS);
        Some(Self { digits, decimals })
    }

    /// Whether an amount becomes another at this rate: within one minor unit, and within what the rate itself is rounded by. The
    /// provider may count in minor units or in whole ones, which differ where the currencies have other decimals.
    #[must_use]
    pub fn turns(self, from: Money, to: Money) -> bool {
        let exponents = (from.currency.exponent(), to.currency.exponent());
        self.turns_minor(from.minor, to.minor, (0, 0)) || self.turns_minor(from.minor, to.minor, exponents)
    }

    fn turns_minor(self, from_minor: i64, to_minor: i64, (from_decimals, to_decimals): (u32, u32)) -> bool {
        let ten = |decimals| 10_i128.checked_pow(decimals);
        let scaled = || {
            let unit = ten(self.decimals)?.checked_mul(ten(from_decimals)?)?;
            let per_from = ten(to_decimals)?;
            let exact = i128::from(from_minor)
                .checked_mul(self.digits)?
                .checked_mul(per_from)?;
            let told = i128::from(to_minor).checked_mul(unit)?;
            // Half of the rate's last digit.
            let rounded = i128::from(from_minor).abs().checked_mul(per_from)? / 2;
            Some((exact - told).abs() <= unit + rounded)
        };
        scaled().unwrap_or(false)
    }
}

/// A line of a charge that was captured in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What arrived.
    pub arrived: Money,
    /// At which rate; none where the provider does not say.
    pub rate: Option<Rate>,
    /// What it is booked as already, in minor units of the customer's currency.
    pub booked_minor: Option<i64>,
}

/// What the customer paid for one of a charge's lines, the one at `place`: the amount of the capture that its rate turns into it.
///
/// `captures` are all of its payment, oldest first, in minor units of `currency`; `parts` all of its lines that are known, oldest first.
/// Captures so alike that a line may be of several go by their order, once there are as many lines: then the sum is right whichever is
/// which. None where no amount fits, or where nobody can tell yet.
#[must_use]
pub fn find_capture(captures: &[i64], currency: Currency, parts: &[Part], place: usize) -> Option<Money> {
    let mut left = captures.to_vec();
    for booked in parts.iter().filter_map(|part| part.booked_minor) {
        left.remove(left.iter().position(|minor| *minor == booked)?);
    }
    let part = *parts.get(place)?;
    let waiting = || parts.iter().filter(|part| part.booked_minor.is_none());
    let money = |minor| Money::new(minor, currency);
    let fits = |minor: i64, part: Part| {
        part.rate
            .is_some_and(|rate| rate.turns(money(minor), part.arrived))
    };
    if let ([only], None, 1) = (left.as_slice(), part.rate, waiting().count()) {
        return Some(money(*only));
    }
    let only_fit = |part: Part| {
        let mut fitting = left.iter().copied().filter(|minor| fits(*minor, part));
        let first = fitting.next()?;
        fitting.all(|minor| minor == first).then_some(first)
    };
    if let Some(amount) = only_fit(part) {
        let alike = left.iter().filter(|minor| **minor == amount).count();
        let lines = waiting()
            .filter(|other| only_fit(**other) == Some(amount))
            .count();
        return (lines <= alike).then_some(money(amount));
    }
    let in_order = waiting().count() == left.len()
        && left
            .iter()
            .zip(waiting())
            .all(|(minor, part)| fits(*minor, *part));
    let before = parts
        .iter()
        .take(place)
        .filter(|part| part.booked_minor.is_none())
        .count();
    left.get(before).filter(|_| in_order).map(|minor| money(*minor))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use proptest::prelude::*;

    use super::*;

    fn code(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn part(minor: i64, currency: &str, rate: &str) -> Part {
        Part {
            arrived: Money::new(minor, code(currency)),
            rate: Rate::parse(rate),
            booked_minor: None,
        }
    }

    /// What is found for each line, in cents of a dollar.
    fn found(captures: &[i64], parts: &[Part]) -> Vec<Option<i64>> {
        let places = 0..parts.len();
        places
            .map(|place| find_capture(captures, code("USD"), parts, place).map(|money| money.minor))
            .collect()
    }

    #[test]
    fn each_line_is_of_the_capture_that_its_rate_turns_into_it() {
        let (first, second) = (part(5_520, "EUR", "0.92"), part(3_720, "EUR", "0.93"));
        let captures = [6_000, 4_000];
        assert_eq!(found(&captures, &[first, second]), [Some(6_000), Some(4_000)]);
        assert_eq!(found(&captures, &[second, first]), [Some(4_000), Some(6_000)]);
        assert_eq!(found(&captures, &[second]), [Some(4_000)]);
    }

    #[test]
    fn captures_that_are_alike_go_by_their_order_once_all_lines_are_there() {
        let (first, second) = (part(4_600, "EUR", "0.92"), part(4_599, "EUR", "0.92"));
        let captures = [5_000, 4_999];
        assert_eq!(found(&captures, &[first]), [None], "it may be either");
        assert_eq!(found(&captures, &[first, second]), [Some(5_000), Some(4_999)]);
        let booked = Part {
            booked_minor: Some(5_000),
            ..first
        };
        assert_eq!(found(&captures, &[second, booked])[0], Some(4_999), "one is left");
        assert_eq!(
            found(&[6_000, 6_000], &[part(5_520, "EUR", "0.92"); 2]),
            [Some(6_000); 2]
        );
    }

    #[test]
    fn where_nobody_can_tell_nothing_is_found() {
        let line = part(5_520, "EUR", "0.92");
        assert_eq!(found(&[4_000, 3_000], &[line]), [None], "none fits");
        assert_eq!(
            found(&[6_000, 4_000], &[line, line]),
            [None, None],
            "two lines, one capture"
        );
        let without = Part { rate: None, ..line };
        assert_eq!(found(&[6_000, 4_000], &[without]), [None], "no rate");
        assert_eq!(found(&[6_000], &[without]), [Some(6_000)], "the only one");
        assert_eq!(
            found(&[4_000], &[line]),
            [None],
            "of a capture that is not known yet"
        );
        let booked = Part {
            booked_minor: Some(1),
            ..line
        };
        assert_eq!(
            found(&[6_000], &[line, booked]),
            [None, None],
            "one is booked as none of them"
        );
    }

    #[test]
    fn a_rate_may_count_in_whole_units_or_in_minor_ones() {
        let yen = Money::new(10_000, code("JPY"));
        let arrived = Money::new(6_500, code("EUR"));
        assert!(Rate::parse("0.0065").unwrap().turns(yen, arrived));
        assert!(Rate::parse("0.65").unwrap().turns(yen, arrived));
        assert!(!Rate::parse("0.066").unwrap().turns(yen, arrived));
    }

    #[test]
    fn what_is_no_rate_is_none() {
        for text in [
            "",
            ".5",
            "-1",
            "0",
            "0.000",
            "1e3",
            "1.2.3",
            "99999999999999999999",
            "1,5",
        ] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_was_captured_is_found_again_however_its_line_was_rounded(
            minor in 1_i64..999_999_999_999, micros in 1_i64..200_000_000, off in -1_i64..=1,
        ) {
            let arrived = i64::try_from(i128::from(minor) * i128::from(micros) / 1_000_000).unwrap() + off.max(0);
            let rate = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            let line = part(arrived, "EUR", &rate);
            prop_assert!(line.rate.unwrap().turns(Money::new(minor, code("USD")), line.arrived));
        }

        #[test]
        fn no_text_makes_a_rate_panic(text in "\\PC{0,24}", minor: i64, other: i64) {
            let (yen, dinars) = (Money::new(minor, code("JPY")), Money::new(other, code("KWD")));
            let turned = Rate::parse(&text).map(|rate| rate.turns(yen, dinars));
            prop_assert!(turned.is_none() || text.starts_with(|char: char| char.is_ascii_digit()));
        }
    }
}
