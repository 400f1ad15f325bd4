//! How a payment changes: by what the provider says, and by what a caller may ask for.

use time::OffsetDateTime;

use super::{Authority, Decision, Payment, PaymentState, decide};
use crate::domain::ids::OperationId;
use crate::domain::money::Currency;
use crate::domain::operation::{Operation, OperationKind, OperationState};
use crate::domain::snapshot::{PaymentSnapshot, Said};

/// What a snapshot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Heard {
    /// What it meant.
    pub decision: Decision,
    /// Whether the payment is not as it was, and must be written.
    pub news: bool,
}

/// Why something cannot be asked of a payment as it stands. Amounts are in minor units of its currency.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleBroken {
    /// Nothing is held that could be taken.
    #[error("the payment is {0} and has nothing to capture")]
    NothingToCapture(PaymentState),
    /// More is asked for than is held.
    #[error("{asked_minor} is more than the {capturable_minor} that can still be captured")]
    CaptureExceedsAuthorized {
        /// What was asked for.
        asked_minor: i64,
        /// What can still be captured.
        capturable_minor: i64,
        /// What is held or was.
        authorized_minor: i64,
        /// What was captured.
        captured_minor: i64,
    },
    /// Its end is reached already.
    #[error("the payment is {0} and cannot be canceled")]
    NotCancelable(PaymentState),
    /// It is not waiting for a payment method.
    #[error("the payment is {0} and waits for no payment method")]
    NotConfirmable(PaymentState),
    /// The customer chooses on the provider's page.
    #[error("the payment is paid on a page of the provider's")]
    PaidOnPage,
    /// Nothing is left that could be given back.
    #[error("captured {captured_minor} and refunded or reserved {taken_minor} leave nothing to refund")]
    NothingToRefund {
        /// What was captured.
        captured_minor: i64,
        /// What was refunded or is reserved by refunds on their way.
        taken_minor: i64,
    },
    /// More is asked for than is left.
    #[error("{asked_minor} is more than the {refundable_minor} that can still be refunded")]
    RefundExceedsCaptured {
        /// What was asked for.
        asked_minor: i64,
        /// What can still be refunded.
        refundable_minor: i64,
        /// What was captured.
        captured_minor: i64,
        /// What was refunded or is reserved by refunds on their way.
        taken_minor: i64,
    },
    /// The amount is of another currency.
    #[error("the payment is in {held}, not in {asked}")]
    CurrencyMismatch {
        /// What was asked for.
        asked: Currency,
        /// What it is in.
        held: Currency,
    },
    /// Another operation of the payment has no outcome yet.
    #[error("{kind} {id} is still {state}")]
    OperationInProgress {
        /// The operation that must end first.
        id: OperationId,
        /// What it does.
        kind: OperationKind,
        /// Where it stands.
        state: OperationState,
    },
}

impl RuleBroken {
    /// The stable code of the rule.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingToCapture(_) => "nothing_to_capture",
            Self::CaptureExceedsAuthorized { .. } => "capture_exceeds_authorized",
            Self::NotCancelable(_) => "not_cancelable",
            Self::NotConfirmable(_) => "not_confirmable",
            Self::PaidOnPage => "paid_on_page",
            Self::NothingToRefund { .. } => "nothing_to_refund",
            Self::RefundExceedsCaptured { .. } => "refund_exceeds_captured",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::OperationInProgress { .. } => "operation_in_progress",
        }
    }

    /// The amounts that it weighed, by their names in the API.
    #[must_use]
    pub fn amounts(&self) -> Vec<(&'static str, i64)> {
        match *self {
            Self::CaptureExceedsAuthorized {
                asked_minor,
                capturable_minor,
                authorized_minor,
                captured_minor,
            } => vec![
                ("asked_minor", asked_minor),
                ("capturable_minor", capturable_minor),
                ("authorized_minor", authorized_minor),
                ("captured_minor", captured_minor),
            ],
            Self::NothingToRefund {
                captured_minor,
                taken_minor,
            } => vec![
                ("captured_minor", captured_minor),
                ("refunded_minor", taken_minor),
            ],
            Self::RefundExceedsCaptured {
                asked_minor,
                refundable_minor,
                captured_minor,
                taken_minor,
            } => vec![
                ("asked_minor", asked_minor),
                ("refundable_minor", refundable_minor),
                ("captured_minor", captured_minor),
                ("refunded_minor", taken_minor),
            ],
            Self::NothingToCapture(_)
            | Self::NotCancelable(_)
            | Self::NotConfirmable(_)
            | Self::PaidOnPage
            | Self::CurrencyMismatch { .. }
            | Self::OperationInProgress { .. } => Vec::new(),
        }
    }
}

impl Payment {
    /// Takes in what a provider says, as far as [`decide`](fn@super::decide) lets it. The one way in which a snapshot changes a
    /// payment.
    pub fn hear(&mut self, said: &PaymentSnapshot, authority: Authority, now: OffsetDateTime) -> Heard {
        let decision = decide(self, said, authority);
        let news = match decision {
            Decision::Impossible(_) => false,
            Decision::Apply => {
                self.take_in(said, now);
                true
            }
            // Open payments come back to where they were. A read that is on its way may have seen them elsewhere, and must
            // not count any more.
            Decision::AlreadySo if self.is_open() => {
                self.learn_names(said);
                self.version += 1;
                true
            }
            Decision::AlreadySo | Decision::Stale | Decision::Ask => {
                let names = self.learn_names(said);
                self.learn_held(said, now) || names
            }
        };
        Heard { decision, news }
    }

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

    /// Whether its state can come again after another one.
    const fn is_open(&self) -> bool {
        matches!(
            self.state,
            PaymentState::Created | PaymentState::RequiresAction | PaymentState::Processing
        )
    }

    /// Learns what was held for us once: later words do not tell any more. `true` where that is news.
    fn learn_held(&mut self, said: &PaymentSnapshot, now: OffsetDateTime) -> bool {
        let held_minor = said.captured_minor.saturating_add(said.capturable_minor);
        let news = said.state == Said::Known(PaymentState::Authorized) && held_minor > self.authorized_minor;
        if news {
            self.authorized_minor = held_minor;
            self.touch(now);
        }
        news
    }

    /// Takes in a snapshot that [`decide`](fn@super::decide) said to apply.
    pub fn take_in(&mut self, said: &PaymentSnapshot, now: OffsetDateTime) {
        if let Said::Known(state) = said.state {
            self.state = state;
        }
        self.captured_minor = said.captured_minor;
        if self.state == PaymentState::Captured {
            self.captured_at = self.captured_at.or(Some(now));
        }
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
        if self.customer_id.is_some() && said.payment_method.is_some() {
            self.method_reference.clone_from(&said.payment_method);
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

    /// How much an operation would move if it were asked for now, in minor units; all that there is where no amount is named.
    ///
    /// `others` are the payment's other operations that have no outcome yet and are not among its refunds. One that the
    /// provider did not take holds nothing up: it may be repeated, and is asked again then.
    ///
    /// # Errors
    /// [`RuleBroken`].
    pub fn allow(
        &self,
        kind: OperationKind,
        asked_minor: Option<i64>,
        others: &[Operation],
    ) -> Result<i64, RuleBroken> {
        let alongside =
            |operation: &&Operation| kind == OperationKind::Refund && operation.kind == OperationKind::Refund;
        let mut open = others.iter().filter(|operation| operation.state.in_progress());
        if let Some(operation) = open.clone().find(|operation| !alongside(operation)) {
            return Err(RuleBroken::OperationInProgress {
                id: operation.id,
                kind: operation.kind,
                state: operation.state,
            });
        }
        match kind {
            OperationKind::Authorize | OperationKind::Checkout => Ok(self.amount.minor()),
            OperationKind::Confirm => self.check_confirmable().map(|()| self.amount.minor()),
            OperationKind::Capture => self.allow_capture(asked_minor),
            OperationKind::Cancel if self.state.is_final() => Err(RuleBroken::NotCancelable(self.state)),
            OperationKind::Cancel => Ok((self.amount.minor() - self.captured_minor).max(1)),
            OperationKind::Refund => {
                let reserved_minor = open.try_fold(0_i64, |sum, refund| sum.checked_add(refund.amount_minor));
                self.allow_refund(asked_minor, reserved_minor.unwrap_or(i64::MAX))
            }
        }
    }

    const fn check_confirmable(&self) -> Result<(), RuleBroken> {
        if self.hosted {
            return Err(RuleBroken::PaidOnPage);
        }
        match self.state {
            PaymentState::Created | PaymentState::RequiresAction => Ok(()),
            PaymentState::Processing
            | PaymentState::Authorized
            | PaymentState::Captured
            | PaymentState::Failed
            | PaymentState::Canceled
            | PaymentState::Unknown => Err(RuleBroken::NotConfirmable(self.state)),
        }
    }

    /// What can still be captured, in minor units.
    #[must_use]
    pub const fn capturable_minor(&self) -> i64 {
        if matches!(self.state, PaymentState::Authorized) {
            self.authorized_minor - self.captured_minor
        } else {
            0
        }
    }

    fn allow_capture(&self, asked_minor: Option<i64>) -> Result<i64, RuleBroken> {
        let capturable_minor = self.capturable_minor();
        match asked_minor.unwrap_or(capturable_minor) {
            _ if capturable_minor == 0 => Err(RuleBroken::NothingToCapture(self.state)),
            asked_minor if asked_minor > capturable_minor => Err(RuleBroken::CaptureExceedsAuthorized {
                asked_minor,
                capturable_minor,
                authorized_minor: self.authorized_minor,
                captured_minor: self.captured_minor,
            }),
            asked_minor => Ok(asked_minor),
        }
    }

    fn allow_refund(&self, asked_minor: Option<i64>, reserved_minor: i64) -> Result<i64, RuleBroken> {
        let captured_minor = self.captured_minor;
        let taken_minor = self.refunded_minor.saturating_add(reserved_minor);
        let refundable_minor = captured_minor.saturating_sub(taken_minor);
        match asked_minor.unwrap_or(refundable_minor) {
            _ if refundable_minor <= 0 => Err(RuleBroken::NothingToRefund {
                captured_minor,
                taken_minor,
            }),
            asked_minor if asked_minor > refundable_minor => Err(RuleBroken::RefundExceedsCaptured {
                asked_minor,
                refundable_minor,
                captured_minor,
                taken_minor,
            }),
            asked_minor => Ok(asked_minor),
        }
    }
}
