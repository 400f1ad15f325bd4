//! What to do with what a provider says of a payout: the whole table, in one place.

use std::cmp::Ordering;

use super::{Payout, PayoutSnapshot, PayoutState};
use crate::domain::exception::ExceptionKind;
use crate::domain::payment::{Authority, Decision};
use crate::domain::snapshot::Said;

/// Decides what a snapshot means for the payout that we hold.
///
/// A payout walks `pending, in_transit, paid`, and ends as `failed`, even days after it was paid, or as `canceled`; it may
/// begin at any of them. So a word from further along is always news and one from further back is always old. Within one
/// word, ledger lines only become complete. What else differs cannot be placed without asking: providers give payouts no
/// version, and times in whole seconds.
///
/// | held ＼ said      | earlier word | all the same | same word, differs               | later word | a new word |
/// |-------------------|--------------|--------------|----------------------------------|------------|------------|
/// | any but the ends  | stale        | already so   | by reconciliation, else ask      | apply      | ask        |
/// | failed, canceled  | stale        | already so   | by reconciliation, else ask      | —          | ask        |
/// | a word not known  | ask          | already so   | ask                              | ask        | ask        |
///
/// `failed` and `canceled` stand at the same place: one after the other is asked about. A fresh word is applied wherever this
/// table says ask, and is impossible where it contradicts an end or goes back.
#[must_use]
pub fn decide(held: &Payout, said: &PayoutSnapshot, authority: Authority) -> Decision {
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
    let placed = place(from).cmp(&place(to));
    let two_ends = placed == Ordering::Equal && from != to;
    match authority {
        Authority::Hint if two_ends => Decision::Ask,
        Authority::Hint => match placed.then(told.is_reconciled().cmp(&said.is_reconciled())) {
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

/// Where a word stands on the walk.
const fn place(state: PayoutState) -> u8 {
    match state {
        PayoutState::Pending => 0,
        PayoutState::InTransit => 1,
        PayoutState::Paid => 2,
        PayoutState::Failed | PayoutState::Canceled => 3,
    }
}
