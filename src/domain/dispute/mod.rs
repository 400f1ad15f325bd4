//! Disputes: money that a customer's bank takes back, or asks about.

mod decide;
mod evidence;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ids::{DisputeId, MerchantId, PaymentId, ProviderAccountId};
use super::money::Money;
use super::snapshot::Said;

pub use decide::decide;
pub use evidence::{Evidence, EvidenceKind};

/// Where a dispute stands. An inquiry (`warning…`) is a question of the bank's: it moves no money, and may become a
/// dispute that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// The bank asks, and waits for evidence.
    Warning,
    /// The bank asked, and looks at the evidence.
    WarningUnderReview,
    /// The bank asked, and left it at that.
    WarningClosed,
    /// The money is taken back; evidence can bring it back.
    NeedsResponse,
    /// The bank looks at the evidence.
    UnderReview,
    /// The money is the merchant's again.
    Won,
    /// The money stays with the customer.
    Lost,
    /// It was settled before it took any money.
    Prevented,
}

impl DisputeState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Warning,
        Self::WarningUnderReview,
        Self::WarningClosed,
        Self::NeedsResponse,
        Self::UnderReview,
        Self::Won,
        Self::Lost,
        Self::Prevented,
    ];

    /// Our word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::WarningUnderReview => "warning_under_review",
            Self::WarningClosed => "warning_closed",
            Self::NeedsResponse => "needs_response",
            Self::UnderReview => "under_review",
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Prevented => "prevented",
        }
    }

    /// Whether nothing more can come of it.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(
            self,
            Self::WarningClosed | Self::Won | Self::Lost | Self::Prevented
        )
    }
}

impl Said<DisputeState> {
    /// Our word, or the provider's own where it came after us.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Known(state) => state.word(),
            Self::Unrecognized(word) => word,
        }
    }

    /// Reads a word back.
    #[must_use]
    pub fn of_word(word: String) -> Self {
        DisputeState::ALL
            .into_iter()
            .find(|state| state.word() == word)
            .map_or(Self::Unrecognized(word), Self::Known)
    }

    /// Whether nothing more can come of it. Of a word that we do not know, something may.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Known(state) if state.is_closed())
    }

    /// Whether the amount is taken from the merchant. A word that we do not know counts: money may have left.
    #[must_use]
    pub const fn takes_money(&self) -> bool {
        match self {
            Self::Known(DisputeState::NeedsResponse | DisputeState::UnderReview | DisputeState::Lost)
            | Self::Unrecognized(_) => true,
            Self::Known(
                DisputeState::Warning
                | DisputeState::WarningUnderReview
                | DisputeState::WarningClosed
                | DisputeState::Won
                | DisputeState::Prevented,
            ) => false,
        }
    }
}

/// What a provider says of a dispute at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeSnapshot {
    /// The provider's id of it (`dp_…`).
    pub provider_reference: String,
    /// The provider's id of the charge that it is about (`ch_…`).
    pub charge_reference: Option<String>,
    /// The provider's id of the payment that the charge is of (`pi_…`), where there is one.
    pub payment_reference: Option<String>,
    /// Where it stands.
    pub state: Said<DisputeState>,
    /// What is disputed.
    pub amount: Money,
    /// The provider's word for why, kept as it came.
    pub reason: Option<String>,
    /// Until when evidence is taken; none where the bank takes none.
    pub due_at: Option<OffsetDateTime>,
    /// Whether there is evidence at the provider, submitted or not.
    pub has_evidence: bool,
    /// How often evidence was submitted; only grows.
    pub submission_count: i64,
    /// Whether giving the money back by hand would still end it.
    pub is_charge_refundable: bool,
    /// When the provider opened it.
    pub opened_at: OffsetDateTime,
}

/// A dispute, as the provider last told of it.
#[derive(Clone, Debug)]
pub struct Dispute {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: DisputeId,
    /// Where it was opened.
    pub provider_account_id: ProviderAccountId,
    /// The payment that it is about; none where that did not start here.
    pub payment_id: Option<PaymentId>,
    /// How it stands.
    pub told: DisputeSnapshot,
    /// Grows with every change of what is known of it.
    pub version: i64,
    /// When we first heard of it.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

/// Why a dispute cannot be answered as it stands.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DisputeRuleBroken {
    /// Its end is reached.
    #[error("the dispute is {} and cannot be answered any more", .0.word())]
    Closed(DisputeState),
    /// The bank takes no evidence any more.
    #[error("evidence was due by {}", .0.format(&Rfc3339).unwrap_or_default())]
    Overdue(OffsetDateTime),
}

impl DisputeRuleBroken {
    /// The stable code of the rule.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed(_) => "dispute_closed",
            Self::Overdue(_) => "evidence_overdue",
        }
    }
}

impl Dispute {
    /// A dispute that we hear of for the first time.
    #[must_use]
    pub fn new(
        merchant_id: MerchantId,
        provider_account_id: ProviderAccountId,
        payment_id: Option<PaymentId>,
        told: DisputeSnapshot,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            merchant_id,
            id: DisputeId::generate(),
            provider_account_id,
            payment_id,
            told,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// Takes in a snapshot that [`decide`](fn@decide) said to apply.
    pub fn take_in(&mut self, said: &DisputeSnapshot, now: OffsetDateTime) {
        self.told.clone_from(said);
        self.touch(now);
    }

    /// Marks that more is known than before.
    pub const fn touch(&mut self, now: OffsetDateTime) {
        self.version += 1;
        self.updated_at = now;
    }

    /// Whether it may be given up now.
    ///
    /// # Errors
    /// [`DisputeRuleBroken`] where its end is reached.
    pub const fn check_acceptable(&self) -> Result<(), DisputeRuleBroken> {
        match self.told.state {
            Said::Known(state) if state.is_closed() => Err(DisputeRuleBroken::Closed(state)),
            Said::Known(_) | Said::Unrecognized(_) => Ok(()),
        }
    }

    /// Whether evidence may be given now.
    ///
    /// # Errors
    /// [`DisputeRuleBroken`] where its end is reached, or evidence was due earlier.
    pub fn check_answerable(&self, now: OffsetDateTime) -> Result<(), DisputeRuleBroken> {
        self.check_acceptable()?;
        match self.told.due_at {
            Some(due_at) if due_at < now => Err(DisputeRuleBroken::Overdue(due_at)),
            Some(_) | None => Ok(()),
        }
    }
}
