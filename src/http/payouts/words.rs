//! What a report says in words, on the page as at the command line.

use crate::app::reconciliation::report::Report;
use crate::domain::exception::ExceptionKind;
use crate::domain::money::Money;

/// A word of ours or a provider's, for people: its underscores are spaces.
pub(super) fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// What kind of difference it is.
pub(super) fn kind_in_words(kind: ExceptionKind) -> String {
    let word = serde_json::to_value(kind).unwrap_or_default();
    spaced(word.as_str().unwrap_or_default())
}

/// Where a payout stands.
pub(super) fn state_in_words(state: &str) -> String {
    match state {
        "in_transit" => "on its way to the bank".to_owned(),
        "paid" => "arrived at the bank".to_owned(),
        other => spaced(other),
    }
}

/// Whether a payout is explained, and what is missing where it is not: one sentence or two.
pub(super) fn in_words(report: &Report) -> String {
    let told = &report.payout.told;
    if report.read_at.is_none() {
        return if told.is_automatic {
            "Its lines are not all read yet.".to_owned()
        } else {
            "It was made by hand: the provider cannot tell which lines went out with it.".to_owned()
        };
    }
    let sums = if report.difference_minor() == 0 {
        format!("Its lines come to {}, which is its amount.", report.net)
    } else {
        let differs = Money::new(report.difference_minor(), told.amount.currency);
        format!(
            "Its lines come to {}, and it is {}: they differ by {differs}.",
            report.net, told.amount
        )
    };
    match report.open.len() {
        0 => sums,
        1 => format!("{sums} One difference is open."),
        more => format!("{sums} {more} differences are open."),
    }
}
