//! Setting up the journals and accounts of a stock Odoo: what is asked for, and what was found, is to be made or was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Books, LostDisputes};
use crate::domain::ids::ProviderAccountId;
use crate::domain::ledger::LedgerAccount;
use crate::domain::money::Currency;

/// What an account of Odoo's is for. Each is one account for all journals of a company, but for Suspense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Where customers' payments wait for their charge's line.
    OutstandingReceipts,
    /// Where customers' refunds wait for their line.
    OutstandingPayments,
    /// What disputes that are lost and written off cost.
    DisputeLosses,
    /// An account of the ledger.
    #[serde(untagged)]
    Ledger(LedgerAccount),
}

/// Which journals and accounts are to be found or made for an account at a provider.
#[derive(Clone, Debug)]
pub struct SetUpRequest {
    /// The provider's name, as people write it.
    pub provider: String,
    /// The account there.
    pub account: ProviderAccountId,
    /// What it settles in.
    pub currencies: Vec<Currency>,
    /// Whether the company's own currency is one of these in any case.
    pub with_company_currency: bool,
    /// The company's name, where the key's user has several.
    pub company: Option<String>,
    /// The journals that stand for a currency already, by its code: their ids.
    pub known_journals: BTreeMap<String, i64>,
    /// The journals that the operator names for a currency, by its code: their short codes.
    pub journals: BTreeMap<String, String>,
    /// The accounts that the operator names: their codes.
    pub accounts: BTreeMap<Role, String>,
    /// The short code of the journal of entries that move nothing at the provider; the company's own where none is named.
    pub general_journal: Option<String>,
    /// The short code of the bank's journal, where we write the bank's side of payouts.
    pub bank_journal: Option<String>,
    /// What becomes of the invoice of a lost dispute.
    pub lost_disputes: LostDisputes,
    /// The tax on fees; where nothing is said, that which was mapped before.
    pub fee_tax: Option<TaxChoice>,
    /// Whether refunds take back their sale by a credit note; where nothing is said, as before.
    pub credit_notes: Option<bool>,
}

/// Which tax the provider's fees bear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaxChoice {
    /// The purchase tax of this name or id.
    Named(String),
    /// None: what is charged as tax is on its account only.
    None,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It was there.
    Found,
    /// It is not there, or not as it must be.
    ToMake,
    /// It was made just now, and read back.
    Made,
}

/// One thing that is needed in Odoo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// How far it is.
    pub state: StepState,
    /// What it is, such as "account 641001 Stripe Fees (expense)".
    pub what: String,
    /// What it is for.
    #[serde(rename = "for")]
    pub purpose: String,
}

/// What set-up found, and what it would make or has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetUpReport {
    /// The company's name.
    pub company: String,
    /// The company's currency, ISO 4217.
    pub company_currency: String,
    /// Everything that is needed.
    pub steps: Vec<Step>,
    /// What stands in the way, with what to do about it: nothing is made as long as there is anything.
    pub problems: Vec<String>,
    /// What a bookkeeper should know.
    pub notes: Vec<String>,
    /// The books of each currency, where all that they need is there.
    #[serde(skip)]
    pub books: Vec<(Currency, Books)>,
}

impl SetUpReport {
    /// Whether all that is needed is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty() && self.steps.iter().all(|step| step.state != StepState::ToMake)
    }
}
