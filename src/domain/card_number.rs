//! Keeps card numbers out: we never see one, not even by accident.

/// Issuer prefixes with the lengths in use: Visa, Mastercard, American Express, Discover, Diners, JCB, `UnionPay`.
const ISSUERS: &[(u32, u32, &[usize])] = &[
    (4, 4, &[13, 16, 19]),
    (51, 55, &[16]),
    (2221, 2720, &[16]),
    (34, 34, &[15]),
    (37, 37, &[15]),
    (6011, 6011, &[16, 19]),
    (644, 659, &[16, 19]),
    (36, 36, &[14]),
    (300, 305, &[14]),
    (3528, 3589, &[16, 19]),
    (62, 62, &[16, 17, 18, 19]),
];

/// Whether a free text holds what looks like a card number.
///
/// A run of 13 to 19 digits, alone or in groups parted by single spaces or hyphens, with an issuer's prefix and
/// length, that passes the Luhn check. For free text only: one digit run in ten passes Luhn by chance.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    digit_runs(text).any(|digits| is_card_number(&digits))
}

/// The maximal digit runs of a text, single spaces and hyphens between digits passed over.
fn digit_runs(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let bytes = text.as_bytes().to_vec();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !bytes[at].is_ascii_digit() {
            at += 1;
        }
        let mut digits = Vec::new();
        while at < bytes.len() {
            let parted =
                matches!(bytes[at], b' ' | b'-') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
            if bytes[at].is_ascii_digit() {
                digits.push(bytes[at] - b'0');
            } else if !parted {
                break;
            }
            at += 1;
        }
        (!digits.is_empty()).then_some(digits)
    })
}

fn is_card_number(digits: &[u8]) -> bool {
    let prefix = |length: usize| {
        digits
            .iter()
            .take(length)
            .fold(0_u32, |n, d| n * 10 + u32::from(*d))
    };
    let issued = ISSUERS.iter().any(|(from, to, lengths)| {
        let width = from.to_string().len();
        lengths.contains(&digits.len()) && (*from..=*to).contains(&prefix(width))
    });
    issued && passes_luhn(digits)
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(*digit) << (place % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_seen_however_they_are_grouped() {
        for text in [
            "4242424242424242",
            "card 4242 4242 4242 4242 please",
            "4242-4242-4242-4242",
            "5555555555554444",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "3566002020360505",
            "6200000000000005",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
    }

    #[test]
    fn other_digit_runs_are_let_through() {
        for text in [
            "",
            "INV/2026/00042",
            "4242424242424241",
            "+49 170 1234567",
            "1234567890123452",
            "4242 4242",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
    }
}
