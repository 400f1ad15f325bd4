//! What to do with what a provider says of a dispute: the whole table, in one place.

use std::cmp::Ordering;

use super::{Dispute, DisputeSnapshot, DisputeState};
use crate::domain::exception::ExceptionKind;
use crate::domain::payment::{Authority, Decision};
use crate::domain::snapshot::Said;

/// Decides what a snapshot means for the dispute that we hold.
///
/// A dispute walks `warning, warning_under_review` (an inquiry), then `needs_response, under_review`, then one of `won, lost,
/// warning_closed, prevented`, which are final; it may begin at any of them. So a word from further along is always news, one
/// from further back is always old, and within one stretch more submissions are news: they only grow. What else differs
/// cannot be placed without asking: providers give disputes no version, and times in whole seconds.
///
/// | held ＼ said         | earlier stretch | all the same | same stretch, differs                     | later stretch | a new word |
/// |----------------------|-----------------|--------------|-------------------------------------------|---------------|------------|
/// | inquiry              | —               | already so   | by submissions, else ask                  | apply         | ask        |
/// | dispute              | stale           | already so   | by submissions, else ask                  | apply         | ask        |
/// | closed               | stale           | already so   | same word: by submissions, else ask       | —             | ask        |
/// | a word not known     | ask             | already so   | ask                                       | ask           | ask        |
///
/// A fresh word is applied wherever this table says ask, and is impossible where it contradicts a final state or goes back.
#[must_use]
pub fn decide(held: &Dispute, said: &DisputeSnapshot, authority: Authority) -> Decision {
    let told = &held.told;
    if told == said {
        return Decision::AlreadySo;
    }
    let (from, to) = match (&told.state, &said.state) {
        (Said::Known(from), Said::Known(to)) => (*from, *to),
        (held, new) => {
            return match authority {
                Authority::Hint => Decision::Ask,
                Authority::Fresh if held.is_closed() && matches!(new, Said::Unrecognized(_)) => {
                    Decision::Impossible(ExceptionKind::UnrecognizedState)
                }
                Authority::Fresh => Decision::Apply,
            };
        }
    };
    let placed = stretch(from).cmp(&stretch(to));
    let two_ends = from.is_closed() && placed == Ordering::Equal && from != to;
    match authority {
        Authority::Hint if two_ends => Decision::Ask,
        Authority::Hint => match placed.then(told.submission_count.cmp(&said.submission_count)) {
            Ordering::Less => Decision::Apply,
            Ordering::Equal => Decision::Ask,
            Ordering::Greater => Decision::Stale,
        },
        Authority::Fresh if two_ends || placed == Ordering::Greater => {
            Decision::Impossible(ExceptionKind::ImpossibleState)
        }
        Authority::Fresh => Decision::Apply,
    }
}

/// The stretches of the walk, in order.
pub(super) const fn stretch(state: DisputeState) -> u8 {
    match state {
        DisputeState::Warning | DisputeState::WarningUnderReview => 0,
        DisputeState::NeedsResponse | DisputeState::UnderReview => 1,
        DisputeState::WarningClosed | DisputeState::Won | DisputeState::Lost | DisputeState::Prevented => 2,
    }
}
