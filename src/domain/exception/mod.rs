//! Differences that a person must see.

mod kind;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;

use super::ids::{ExceptionId, MerchantId, PaymentId, ProviderAccountId};
use super::money::Money;
use super::reason::Reason;
use super::redact::mask;

pub use kind::ExceptionKind;

/// Who is written down where an exception changed by itself.
pub const ITSELF: &str = "quittance";

/// Where an exception stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ExceptionState {
    /// Somebody must look.
    Open,
    /// It is settled, by a person or by what happened since.
    Resolved,
}

/// What differs. Compared as a whole: a difference that says anything else is another one, so that no time of the day and no id of
/// a request belongs in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In words: what, by how much, and what to do where that is not plain from the kind.
    pub detail: String,
    /// What should have been, where it is an amount.
    pub expected: Option<Money>,
    /// What was.
    pub found: Option<Money>,
}

impl Difference {
    /// By how much more was found than expected, in minor units, where both are known and of one currency.
    #[must_use]
    pub fn minor(&self) -> Option<i64> {
        let (expected, found) = self.expected.zip(self.found)?;
        let same = expected.currency == found.currency;
        found.minor.checked_sub(expected.minor).filter(|_| same)
    }
}

/// A difference that was just seen, to be opened unless it is known.
#[derive(Clone, Copy, Debug)]
pub struct NewException<'a> {
    /// Whose it is.
    pub merchant: MerchantId,
    /// What kind of difference it is.
    pub kind: ExceptionKind,
    /// The payment that it is about.
    pub payment: Option<PaymentId>,
    /// The account that it is about; where none is said, that of the payment.
    pub account: Option<ProviderAccountId>,
    /// The payout that it holds open, by the provider's id (`po_…`).
    pub payout: Option<&'a str>,
    /// What it is about: one kind has one exception on one subject, whatever becomes of it.
    pub subject: &'a str,
    /// What differs, in words.
    pub detail: &'a str,
    /// What should have been, where it is an amount.
    pub expected: Option<Money>,
    /// What was.
    pub found: Option<Money>,
}

impl<'a> NewException<'a> {
    /// A difference that is about nothing but its subject.
    #[must_use]
    pub const fn new(merchant: MerchantId, kind: ExceptionKind, subject: &'a str, detail: &'a str) -> Self {
        Self {
            merchant,
            kind,
            payment: None,
            account: None,
            payout: None,
            subject,
            detail,
            expected: None,
            found: None,
        }
    }

    /// About this payment, where it is about one.
    #[must_use]
    pub fn of(mut self, payment: impl Into<Option<PaymentId>>) -> Self {
        self.payment = payment.into();
        self
    }

    /// At this account.
    #[must_use]
    pub const fn at(mut self, account: ProviderAccountId) -> Self {
        self.account = Some(account);
        self
    }

    /// This payout is not explained while it is open.
    #[must_use]
    pub const fn holding(mut self, payout: &'a str) -> Self {
        self.payout = Some(payout);
        self
    }

    /// One amount should have been, and another was.
    #[must_use]
    pub const fn between(mut self, expected: Option<Money>, found: Option<Money>) -> Self {
        self.expected = expected;
        self.found = found;
        self
    }

    /// What differs.
    #[must_use]
    pub fn difference(&self) -> Difference {
        Difference {
            detail: mask(self.detail).into_owned(),
            expected: self.expected,
            found: self.found,
        }
    }
}

/// What settled an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Why, in words.
    pub reason: String,
    /// Who: an API key (`key_…`), `cli`, or [`ITSELF`].
    pub by: String,
    /// When.
    pub at: OffsetDateTime,
    /// A person resolved the difference as it stands: the same again stays resolved. What ended by itself, or by a replay, opens again
    /// whenever it comes back.
    pub accepted: bool,
}

/// What became of an exception at one moment; how the difference stood from then on is kept with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stood; none where it was opened for the first time.
    pub from: Option<ExceptionState>,
    /// Where it stands since.
    pub to: ExceptionState,
    /// Who: an API key (`key_…`), `cli`, or [`ITSELF`].
    pub by: String,
    /// Why, where there is more to say than that it was seen.
    pub reason: Option<String>,
    /// When.
    pub at: OffsetDateTime,
}

/// A dead message's exception goes with its message: resolved alone, the payment's later messages would wait and nobody would know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is resolved by replaying or skipping {message}")]
pub struct BoundToMessage {
    /// The message.
    pub message: String,
}

/// A difference that a person must see.
#[derive(Clone, Debug)]
pub struct Exception {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: ExceptionId,
    /// What kind of difference it is.
    pub kind: ExceptionKind,
    /// The payment that it is about.
    pub payment_id: Option<PaymentId>,
    /// The account that it is about; one that is about none belongs to test and live alike.
    pub provider_account_id: Option<ProviderAccountId>,
    /// The payout that it holds open, by the provider's id.
    pub payout: Option<String>,
    /// What it is about.
    pub subject: String,
    /// What differs.
    pub difference: Difference,
    /// When it was first seen.
    pub opened_at: OffsetDateTime,
    /// What settled it; none while it is open.
    pub resolution: Option<Resolution>,
}

impl Exception {
    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> ExceptionState {
        match self.resolution {
            None => ExceptionState::Open,
            Some(_) => ExceptionState::Resolved,
        }
    }

    /// Takes in what it is about, as far as that was not known. Whether anything was new.
    pub fn learn(&mut self, seen: &NewException<'_>) -> bool {
        let before = (self.payment_id, self.provider_account_id, self.payout.clone());
        self.payment_id = self.payment_id.or(seen.payment);
        self.provider_account_id = self.provider_account_id.or(seen.account);
        if let Some(payout) = seen.payout {
            self.payout = Some(payout.to_owned());
        }
        before != (self.payment_id, self.provider_account_id, self.payout.clone())
    }

    /// Takes in that the difference was seen again: an open one says from now on how it stands; a resolved one opens again where it
    /// is not what a person accepted.
    pub fn recur(&mut self, seen: Difference, now: OffsetDateTime) -> Option<Change> {
        let differs = self.difference != seen;
        let accepted = self.resolution.as_ref().map(|resolution| resolution.accepted);
        let reason = match (accepted, differs) {
            (None | Some(true), false) => return None,
            (None, true) => "it differs otherwise",
            (Some(_), true) => "it came back, and differs otherwise",
            (Some(false), false) => "it came back",
        };
        self.difference = seen;
        let from = self.state();
        self.resolution = None;
        Some(Change {
            from: Some(from),
            to: ExceptionState::Open,
            by: ITSELF.to_owned(),
            reason: Some(reason.to_owned()),
            at: now,
        })
    }

    /// A person says that the difference, as it stands, is settled. Nothing changes where it is resolved.
    ///
    /// # Errors
    /// [`BoundToMessage`].
    pub fn resolve(
        &mut self,
        reason: &Reason,
        by: &str,
        now: OffsetDateTime,
    ) -> Result<Option<Change>, BoundToMessage> {
        if self.resolution.is_some() {
            return Ok(None);
        }
        self.check_by_hand()?;
        self.resolution = Some(Resolution {
            reason: reason.as_str().to_owned(),
            by: by.to_owned(),
            at: now,
            accepted: true,
        });
        Ok(Some(by_hand(ExceptionState::Resolved, reason, by, now)))
    }

    /// A person says that it is not settled after all. Nothing changes where it is open.
    ///
    /// # Errors
    /// [`BoundToMessage`].
    pub fn reopen(
        &mut self,
        reason: &Reason,
        by: &str,
        now: OffsetDateTime,
    ) -> Result<Option<Change>, BoundToMessage> {
        if self.resolution.is_none() {
            return Ok(None);
        }
        self.check_by_hand()?;
        self.resolution = None;
        Ok(Some(by_hand(ExceptionState::Open, reason, by, now)))
    }

    fn check_by_hand(&self) -> Result<(), BoundToMessage> {
        if self.kind == ExceptionKind::MessageDead {
            return Err(BoundToMessage {
                message: self.subject.clone(),
            });
        }
        Ok(())
    }
}

fn by_hand(to: ExceptionState, reason: &Reason, by: &str, at: OffsetDateTime) -> Change {
    let from = match to {
        ExceptionState::Open => ExceptionState::Resolved,
        ExceptionState::Resolved => ExceptionState::Open,
    };
    Change {
        from: Some(from),
        to,
        by: by.to_owned(),
        reason: Some(reason.as_str().to_owned()),
        at,
    }
}
