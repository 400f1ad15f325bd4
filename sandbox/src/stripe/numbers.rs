//! Test cards by the numbers that a person types (<https://docs.stripe.com/testing>).

use super::cards::{self, Card};

/// Each number, and the card's name after `tok_`.
const NUMBERS: [(&str, &str); 20] = [
    ("4242424242424242", "visa"),
    ("5555555555554444", "mastercard"),
    ("371449635398431", "amex"),
    ("4000002760003184", "authenticationRequired"),
    ("4000002500003155", "authenticationRequiredOnSetup"),
    ("4000000000003220", "threeDSecure2Required"),
    (
        "4000008400001629",
        "authenticationRequiredChargeDeclinedInsufficientFunds",
    ),
    ("4000000000000341", "chargeCustomerFail"),
    ("4000000000000002", "chargeDeclined"),
    ("4000000000009995", "chargeDeclinedInsufficientFunds"),
    ("4000000000009987", "visa_chargeDeclinedLostCard"),
    ("4000000000009979", "visa_chargeDeclinedStolenCard"),
    ("4100000000000019", "chargeDeclinedFraudulent"),
    ("4000000000000069", "chargeDeclinedExpiredCard"),
    ("4000000000000127", "chargeDeclinedIncorrectCvc"),
    ("4000000000000119", "chargeDeclinedProcessingError"),
    ("4000000000007726", "pendingRefund"),
    ("4000000000005126", "refundFail"),
    ("4000000000000259", "createDispute"),
    ("4000000000001976", "createDisputeInquiry"),
];

/// The card of that number, written with or without spaces.
pub(crate) fn find(number: &str) -> Option<Card> {
    let plain: String = number.split_whitespace().collect();
    let (_, name) = NUMBERS.iter().find(|(known, _)| *known == plain)?;
    cards::find(&format!("tok_{name}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_number_is_that_of_a_card_that_ends_as_it_does() {
        for (number, name) in NUMBERS {
            let card = find(number).unwrap();
            assert!(number.ends_with(card.last4), "{name}");
        }
        assert!(find("4242 4242 4242 4242").is_some());
        assert!(find("4242424242424241").is_none() && find("").is_none());
    }
}
