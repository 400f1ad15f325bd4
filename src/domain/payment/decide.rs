//! What to do with what a provider says of a payment: the whole table, in one place.

use std::cmp::Ordering;

use super::{Payment, PaymentState};
use crate::domain::exception::ExceptionKind;
use crate::domain::snapshot::{PaymentSnapshot, Said};

/// How much a snapshot's word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// It was true at some moment: an event, or an answer that something newer overtook.
    Hint,
    /// It is the provider's word from after everything that we know: a read or an answer that began at this version
    /// of the payment, which still stands.
    Fresh,
}

impl Authority {
    /// That of a read or an answer that began when the payment was at version `as_of`.
    #[must_use]
    pub const fn since(as_of: i64, held: &Payment) -> Self {
        if held.version == as_of {
            Self::Fresh
        } else {
            Self::Hint
        }
    }
}

/// What to do with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Take it in.
    Apply,
    /// Nothing new.
    AlreadySo,
    /// Older than what we know.
    Stale,
    /// It cannot decide by itself: read the object again.
    Ask,
    /// It cannot be: a person must see.
    Impossible(ExceptionKind),
}

/// Decides what a snapshot means for the payment that we hold.
///
/// A provider's payment walks `created, requires_action, processing` in any order and any number of times, then
/// `authorized`, then `captured` or `canceled`, which are final. What is `unknown` or `failed` with us has not begun that walk as
/// far as we know. So a word from further along is always news, one from further back is always old, and only a different
/// word from the same stretch cannot be placed without asking: providers give payments no version, and times in whole seconds.
///
/// | held ＼ hint                               | earlier stretch | same word, same details | same word, more captured | same word, differs | other word, same stretch | later stretch |
/// |--------------------------------------------|-----------------|-------------------------|--------------------------|--------------------|--------------------------|---------------|
/// | `unknown`, `failed`                        | —               | —                       | —                        | —                  | —                        | apply         |
/// | `created`, `requires_action`, `processing` | —               | already so              | apply                    | ask                | ask                      | apply         |
/// | `authorized`                               | stale           | already so              | apply                    | ask                | —                        | apply         |
/// | `captured`, `canceled`                     | stale           | already so              | apply                    | ask                | ask                      | —             |
///
/// | held ＼ fresh word                         | earlier stretch | same word, same details | same word, more captured | same word, differs | other word, same stretch | later stretch |
/// |--------------------------------------------|-----------------|-------------------------|--------------------------|--------------------|--------------------------|---------------|
/// | `unknown`, `failed`                        | —               | —                       | —                        | —                  | —                        | apply         |
/// | `created`, `requires_action`, `processing` | —               | already so              | apply                    | apply              | apply                    | apply         |
/// | `authorized`                               | impossible      | already so              | apply                    | apply              | —                        | apply         |
/// | `captured`, `canceled`                     | impossible      | already so              | apply                    | apply              | impossible               | —             |
///
/// A word that we do not know is asked about, and impossible once it is fresh; another amount or currency is impossible at
/// once. These tables are what the tests read: they try every cell.
#[must_use]
pub fn decide(held: &Payment, said: &PaymentSnapshot, authority: Authority) -> Decision {
    if said.amount != held.amount.into() {
        return Decision::Impossible(ExceptionKind::AmountDiffers);
    }
    let state = match (&said.state, authority) {
        (Said::Known(state), _) => *state,
        (Said::Unrecognized(_), Authority::Hint) => return Decision::Ask,
        (Said::Unrecognized(_), Authority::Fresh) => {
            return Decision::Impossible(ExceptionKind::UnrecognizedState);
        }
    };
    if state == held.state && same_details(held, said) {
        return Decision::AlreadySo;
    }
    let contradicts = held.state.is_final() && state != held.state;
    match (stretch(held.state).cmp(&stretch(state)), authority) {
        (Ordering::Less, _) => Decision::Apply,
        (Ordering::Equal, _) if captures_more(held, said, state) => Decision::Apply,
        (Ordering::Equal, Authority::Hint) => Decision::Ask,
        (Ordering::Equal, Authority::Fresh) if !contradicts => Decision::Apply,
        (Ordering::Greater, Authority::Hint) => Decision::Stale,
        (Ordering::Equal | Ordering::Greater, Authority::Fresh) => {
            Decision::Impossible(ExceptionKind::ImpossibleState)
        }
    }
}

/// The stretches of the walk, in order, after the two states that are ours alone.
const fn stretch(state: PaymentState) -> u8 {
    match state {
        PaymentState::Failed | PaymentState::Unknown => 0,
        PaymentState::Created | PaymentState::RequiresAction | PaymentState::Processing => 1,
        PaymentState::Authorized => 2,
        PaymentState::Captured | PaymentState::Canceled => 3,
    }
}

/// Captured amounts only grow, so more of it is newer.
fn captures_more(held: &Payment, said: &PaymentSnapshot, state: PaymentState) -> bool {
    state == held.state && said.captured_minor > held.captured_minor
}

/// Whether a snapshot of the same state tells nothing that we do not hold.
fn same_details(held: &Payment, said: &PaymentSnapshot) -> bool {
    let charge_known = said
        .charge
        .as_ref()
        .is_none_or(|charge| Some(&charge.id) == held.charge_reference.as_ref());
    // A charge, an action or a decline on an open payment can be of an earlier attempt as well as of a later one.
    said.captured_minor == held.captured_minor
        && (held.state != PaymentState::Authorized
            || said.capturable_minor == held.authorized_minor - held.captured_minor)
        && said.next_action == held.next_action
        && (held.state.is_final() || said.decline == held.decline)
        && charge_known
}
