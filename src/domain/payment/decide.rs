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
/// `authorized`, then `captured` or `canceled`, which are final. So a word from further along that walk is always
/// news, one from further back is always old, and only a different word from the same stretch cannot be placed
/// without asking: providers give payments no version, and times in whole seconds.
///
/// | held ＼ hint        | earlier stretch | same word, same details | same word, more captured | same stretch, differs | later stretch |
/// |---------------------|-----------------|-------------------------|--------------------------|-----------------------|---------------|
/// | open (first three)  | —               | already so              | apply                    | ask                   | apply         |
/// | authorized          | stale           | already so              | apply                    | ask                   | apply         |
/// | captured, canceled  | stale           | already so              | apply                    | ask                   | —             |
/// | unknown, failed     | apply: the provider does have it |        |                          |                       |               |
///
/// A fresh word is applied wherever this table says ask. It is impossible where the table says stale, and where it names
/// the other of the two final states. A word that we do not know is asked about, and impossible once it is fresh; another
/// amount or currency is impossible at once.
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
    let (Some(from), Some(to)) = (stretch(held.state), stretch(state)) else {
        return Decision::Apply;
    };
    if state == held.state && same_details(held, said) {
        return Decision::AlreadySo;
    }
    let contradicts = held.state.is_final() && state != held.state;
    match (from.cmp(&to), authority) {
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

/// The stretches of the walk, in order; none for the two states that are ours alone.
const fn stretch(state: PaymentState) -> Option<u8> {
    match state {
        PaymentState::Created | PaymentState::RequiresAction | PaymentState::Processing => Some(0),
        PaymentState::Authorized => Some(1),
        PaymentState::Captured | PaymentState::Canceled => Some(2),
        PaymentState::Failed | PaymentState::Unknown => None,
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
