//! How a payment changes: by what the provider says, and by what a caller may ask for.

use time::OffsetDateTime;

use super::{Payment, PaymentState};
use crate::domain::operation::{Operation, OperationKind};
use crate::domain::snapshot::{PaymentSnapshot, Said};

/// Why something cannot be asked of a payment as it stands.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleBroken {
    /// Nothing is held that could be taken.
    #[error("the payment is {state:?} and has nothing to capture", state = .0)]
    NothingToCapture(PaymentState),
    /// Its end is reached already.
    #[error("the payment is {state:?} and cannot be canceled", state = .0)]
    NotCancelable(PaymentState),
    /// Nothing is left that could be given back.
    #[error("captured {captured_minor} and refunded or reserved {taken_minor} leave nothing to refund")]
    NothingToRefund {
        /// What was captured, in minor units.
        captured_minor: i64,
        /// What was refunded or is reserved by refunds on their way.
        taken_minor: i64,
    },
    /// Another operation of the payment has no outcome yet.
    #[error("{kind:?} {id} is still {state:?}", kind = .kind, id = .id, state = .state)]
    OperationInProgress {
        /// The operation that must end first.
        id: crate::domain::ids::OperationId,
        /// What it does.
        kind: OperationKind,
        /// Where it stands.
        state: crate::domain::operation::OperationState,
    },
}

impl RuleBroken {
    /// The stable code of the rule.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingToCapture(_) => "nothing_to_capture",
            Self::NotCancelable(_) => "not_cancelable",
            Self::NothingToRefund { .. } => "nothing_to_refund",
            Self::OperationInProgress { .. } => "operation_in_progress",
        }
    }
}

impl Payment {
    /// Learns what the provider calls it and what opens it in a browser: these never change, so that any word of them
    /// counts, however old. `true` where that is news.
    pub fn learn_names(&mut self, said: &PaymentSnapshot) -> bool {
        let mut news = false;
        if self.provider_reference.is_none() {
            self.provider_reference = Some(said.provider_reference.clone());
            news = true;
        }
        if self.client_secret.is_none() && said.client_secret.is_some() {
            self.client_secret.clone_from(&said.client_secret);
            news = true;
        }
        news
    }

    /// Takes in a snapshot that [`decide`](fn@super::decide) said to apply.
    pub fn take_in(&mut self, said: &PaymentSnapshot, now: OffsetDateTime) {
        if let Said::Known(state) = said.state {
            self.state = state;
        }
        self.captured_minor = said.captured_minor;
        self.authorized_minor = match self.state {
            PaymentState::Authorized => said.captured_minor + said.capturable_minor,
            PaymentState::Captured => self.authorized_minor.max(said.captured_minor),
            PaymentState::Created
            | PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Failed
            | PaymentState::Canceled
            | PaymentState::Unknown => self.authorized_minor,
        };
        self.learn_names(said);
        if let Some(charge) = &said.charge {
            self.charge_reference = Some(charge.id.clone());
        }
        self.next_action.clone_from(&said.next_action);
        let succeeded = matches!(self.state, PaymentState::Authorized | PaymentState::Captured);
        self.decline = if succeeded { None } else { said.decline.clone() };
        self.touch(now);
    }

    /// Marks that more is known than before.
    pub const fn touch(&mut self, now: OffsetDateTime) {
        self.version += 1;
        self.updated_at = now;
    }

    /// How much a capture asked for now would take, in minor units.
    ///
    /// # Errors
    /// [`RuleBroken`] where nothing is held, or another operation must end first.
    pub fn capturable_minor(&self, operations: &[Operation]) -> Result<i64, RuleBroken> {
        none_in_progress(operations)?;
        if self.state == PaymentState::Authorized {
            Ok(self.authorized_minor - self.captured_minor)
        } else {
            Err(RuleBroken::NothingToCapture(self.state))
        }
    }

    /// Whether it may be called off now.
    ///
    /// # Errors
    /// [`RuleBroken`] where its end is reached, or another operation must end first.
    pub fn check_cancelable(&self, operations: &[Operation]) -> Result<(), RuleBroken> {
        none_in_progress(operations)?;
        if self.state.is_final() {
            Err(RuleBroken::NotCancelable(self.state))
        } else {
            Ok(())
        }
    }

    /// How much a refund asked for now would give back, in minor units. Refunds on their way reserve theirs.
    ///
    /// # Errors
    /// [`RuleBroken`] where nothing is left to give back, or a capture or cancel must end first.
    pub fn refundable_minor(&self, operations: &[Operation]) -> Result<i64, RuleBroken> {
        let (refunds, others): (Vec<&Operation>, Vec<&Operation>) = operations
            .iter()
            .filter(|operation| !operation.state.is_final())
            .partition(|op| op.kind == OperationKind::Refund);
        if let Some(operation) = others.first() {
            return Err(in_progress(operation));
        }
        let taken_minor = self.refunded_minor
            + refunds
                .iter()
                .map(|operation| operation.amount_minor)
                .sum::<i64>();
        if taken_minor < self.captured_minor {
            Ok(self.captured_minor - taken_minor)
        } else {
            Err(RuleBroken::NothingToRefund {
                captured_minor: self.captured_minor,
                taken_minor,
            })
        }
    }
}

fn none_in_progress(operations: &[Operation]) -> Result<(), RuleBroken> {
    operations
        .iter()
        .find(|operation| !operation.state.is_final())
        .map_or(Ok(()), |operation| Err(in_progress(operation)))
}

const fn in_progress(operation: &Operation) -> RuleBroken {
    RuleBroken::OperationInProgress {
        id: operation.id,
        kind: operation.kind,
        state: operation.state,
    }
}
