//! Takes out of other people's words what nobody who reads them later must see.
//!
//! What a provider or Odoo says of a failure may repeat what it was sent. It is kept for whoever must put it right, without what has
//! the form of a secret, an address or a card number. A name has no form: other people's words are therefore not logged at all.

use std::borrow::Cow;

use super::card_number::holds_card_number;

/// What stands in place of what was taken out.
const GONE: &str = "[removed]";

/// How Stripe's and our own secrets begin, wherever in a word.
const SECRETS: [&str; 9] = [
    "sk_live_", "sk_test_", "rk_live_", "rk_test_", "qk_live_", "qk_test_", "whsec_", "_secret_", "v1=",
];

/// A run of letters and digits of this length is no word and no id that we know: a key, a hash, a signature.
const LONGEST_ID: usize = 32;

/// The text without secrets, addresses of people and card numbers.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    if !text.split(parts).any(is_telling) && !holds_card_number(text) {
        return Cow::Borrowed(text);
    }
    if holds_card_number(text) {
        return Cow::Owned(without_numbers(text));
    }
    Cow::Owned(without_words(text))
}

/// What parts one word from the next. Not what stands within an address or a secret.
fn parts(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(
            letter,
            '"' | '\'' | '`' | ',' | ';' | '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}'
        )
}

fn is_telling(word: &str) -> bool {
    SECRETS.iter().any(|secret| word.contains(secret)) || is_address(word) || is_long(word)
}

/// Whether it is somebody's mail address, also as a URL writes it.
fn is_address(word: &str) -> bool {
    let at = word.find('@').map(|at| (at, at + 1));
    let Some((before, after)) = at.or_else(|| word.find("%40").map(|at| (at, at + 3))) else {
        return false;
    };
    before > 0 && word[after..].contains('.')
}

fn is_long(word: &str) -> bool {
    let is_of_a_run = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '=');
    word.split(|letter| !is_of_a_run(letter))
        .any(|run| run.len() >= LONGEST_ID && run.bytes().any(|byte| byte.is_ascii_digit()))
}

fn without_words(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for piece in text.split_inclusive(parts) {
        let word = piece.trim_end_matches(parts);
        masked.push_str(if is_telling(word) { GONE } else { word });
        masked.push_str(&piece[word.len()..]);
    }
    masked
}

/// A card number may be written in groups, which words part: every long run of digits goes.
fn without_numbers(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let is_of_a_number = |letter: char| letter.is_ascii_digit() || matches!(letter, ' ' | '-');
        let end = from.find(|letter| !is_of_a_number(letter)).unwrap_or(from.len());
        let run = from[..end].trim_end_matches([' ', '-']);
        masked.push_str(before);
        masked.push_str(if holds_card_number(run) { GONE } else { run });
        rest = &from[run.len()..];
    }
    masked.push_str(rest);
    if masked.split(parts).any(is_telling) {
        without_words(&masked)
    } else {
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_form_of_a_secret_is_taken_out_and_the_words_around_it_stay() {
        for (text, masked) in [
            ("No such key: 'rk_live_51H'", "No such key: '[removed]'"),
            ("signed whsec_abc, wrongly", "signed [removed], wrongly"),
            ("see pi_3N_secret_x1.", "see [removed]"),
            ("t=1,v1=5257a869e7ec", "t=1,[removed]"),
            ("mail jo@example.com!", "mail [removed]"),
            ("?email=jo%40example.com&x", "[removed]"),
            ("key 0123456789abcdef0123456789abcdef", "key [removed]"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn a_card_number_goes_however_it_is_written() {
        for (text, masked) in [
            (
                "card 4242 4242 4242 4242 for jo@x.org",
                "card [removed] for [removed]",
            ),
            ("4242-4242-4242-4242", "[removed]"),
            ("ref 4242424242424242/1 of 12.10", "ref [removed]/1 of 12.10"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn what_a_person_needs_stays_as_it_is() {
        for text in [
            "",
            "The entry INV/2026/00042 is locked until 2026-10-31.",
            "capture op_01h455vb4pex5vsknk084sn02q: nothing was found",
            "charge ch_3NqvQ2LkdIwHu7ix0Q0Z1abc of EUR 121.00 at 10:00",
            "0192f0c4-7f1e-7cc1-a1b2-0242ac120002",
            "account_payment_register_wizard_default",
        ] {
            assert!(
                matches!(mask(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }
}
