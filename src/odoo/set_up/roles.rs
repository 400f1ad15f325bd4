//! What each account of the ledger is in a chart of accounts.

use std::collections::BTreeSet;

use crate::domain::ledger::LedgerAccount;
use crate::sink::{Books, LostDisputes, Role};

use super::chart::{Account, Chart, Company};

/// Where in the chart an account is at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Near {
    /// Beside the company's Liquidity Transfer.
    Liquidity,
    /// Beside the company's exchange losses, among what banks cost.
    FinancialExpenses,
    /// Among accounts of its own type.
    ItsType,
}

/// What an account must be for its role, and how it is made.
pub(super) struct Spec {
    pub(super) role: Role,
    /// What it is for, in a bookkeeper's words.
    pub(super) purpose: &'static str,
    /// Its name, behind the provider's.
    pub(super) name: &'static str,
    /// What Odoo's `account_type` may be; the first is what it is made of.
    pub(super) kinds: &'static [&'static str],
    /// Whether its items must be able to meet.
    pub(super) reconcile: bool,
    pub(super) near: Near,
}

const EXPENSES: &[&str] = &["expense", "expense_other", "expense_direct_cost"];
const CURRENT: &[&str] = &["asset_current"];
const HELD: &[&str] = &["asset_current", "liability_current"];

const fn spec(
    role: Role,
    (purpose, name): (&'static str, &'static str),
    kinds: &'static [&'static str],
    reconcile: bool,
    near: Near,
) -> Spec {
    Spec {
        role,
        purpose,
        name,
        kinds,
        reconcile,
        near,
    }
}

/// All roles but Suspense, which is its journal's, and Bank, which is where payouts in transit meet it.
const SPECS: [Spec; 15] = [
    spec(
        Role::OutstandingReceipts,
        ("where payments wait for their line", "Outstanding Receipts"),
        CURRENT,
        true,
        Near::Liquidity,
    ),
    spec(
        Role::OutstandingPayments,
        ("where refunds wait for their line", "Outstanding Payments"),
        CURRENT,
        true,
        Near::Liquidity,
    ),
    spec(
        Role::Ledger(LedgerAccount::Fees),
        ("what the provider charges for its service", "Fees"),
        EXPENSES,
        false,
        Near::FinancialExpenses,
    ),
    spec(
        Role::Ledger(LedgerAccount::FeeTax),
        ("the tax on the provider's fees, to be recovered", "Fee Tax"),
        HELD,
        false,
        Near::Liquidity,
    ),
    spec(
        Role::Ledger(LedgerAccount::Disputes),
        (
            "what customers' banks took back, until it is won or lost",
            "Disputes",
        ),
        CURRENT,
        true,
        Near::Liquidity,
    ),
    spec(
        Role::Ledger(LedgerAccount::DisputeFees),
        ("what the provider charges for disputes", "Dispute Fees"),
        EXPENSES,
        false,
        Near::FinancialExpenses,
    ),
    spec(
        Role::DisputeLosses,
        ("what lost disputes cost that are written off", "Dispute Losses"),
        EXPENSES,
        false,
        Near::FinancialExpenses,
    ),
    spec(
        Role::Ledger(LedgerAccount::Fx),
        (
            "what is gained or lost where one currency becomes another",
            "Exchange Difference",
        ),
        &["expense", "expense_other", "income", "income_other"],
        false,
        Near::FinancialExpenses,
    ),
    spec(
        Role::Ledger(LedgerAccount::InTransit),
        ("payouts on their way to the bank", "Payouts in Transit"),
        CURRENT,
        true,
        Near::Liquidity,
    ),
    spec(
        Role::Ledger(LedgerAccount::Reserve),
        ("what the provider holds back for a time", "Reserve"),
        CURRENT,
        true,
        Near::Liquidity,
    ),
    spec(
        Role::Ledger(LedgerAccount::Transfers),
        (
            "what goes to and comes from other accounts at the provider",
            "Transfers",
        ),
        HELD,
        true,
        Near::Liquidity,
    ),
    spec(
        Role::Ledger(LedgerAccount::Financing),
        ("what the provider lends and takes back", "Financing"),
        &["liability_current", "liability_non_current"],
        false,
        Near::ItsType,
    ),
    spec(
        Role::Ledger(LedgerAccount::Contributions),
        ("what is given to a good cause", "Contributions"),
        EXPENSES,
        false,
        Near::FinancialExpenses,
    ),
    spec(
        Role::Ledger(LedgerAccount::Issuing),
        ("what is spent with the provider's cards", "Card Spending"),
        &["asset_current", "expense"],
        false,
        Near::Liquidity,
    ),
    spec(
        Role::Ledger(LedgerAccount::Opening),
        (
            "what the account held before its lines are booked: clear it against where it was booked until then",
            "Opening Balance",
        ),
        &["asset_current", "equity"],
        false,
        Near::Liquidity,
    ),
];

/// The roles that are needed.
pub(super) fn needed(lost_disputes: LostDisputes) -> impl Iterator<Item = &'static Spec> {
    SPECS.iter().filter(move |spec| match lost_disputes {
        LostDisputes::Reopen => spec.role != Role::DisputeLosses,
        LostDisputes::WriteOff => true,
    })
}

/// The word for a role.
pub(super) fn word(role: Role) -> String {
    serde_json::to_value(role)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl Spec {
    /// What is wrong with an account in this role, with what to do.
    pub(super) fn complaint(&self, account: &Account) -> Option<String> {
        let name = account.words();
        let instead = format!("or name another one with --account {}=CODE", word(self.role));
        if !account.is_active() {
            return Some(format!("{name} is archived: bring it back, {instead}"));
        }
        if !self.kinds.contains(&account.kind.as_str()) {
            let kinds = self.kinds.join(" or ");
            return Some(format!(
                "{name} ({}) is {} and must be {kinds}: {instead}",
                self.purpose, account.kind
            ));
        }
        if self.reconcile && !account.reconcile {
            return Some(format!(
                "{name} ({}) must allow reconciliation: switch it on, {instead}",
                self.purpose
            ));
        }
        None
    }

    /// The account that the company has for this already.
    pub(super) fn of_company(&self, company: &Company) -> Option<i64> {
        if self.role == Role::Ledger(LedgerAccount::InTransit) {
            company.transfer_account_id.id()
        } else if self.role == Role::Ledger(LedgerAccount::Fx) {
            company.expense_currency_exchange_account_id.id()
        } else {
            None
        }
    }

    /// The account that stands for this in books that were found before.
    pub(super) fn of_books(&self, books: &Books) -> Option<i64> {
        match self.role {
            Role::OutstandingReceipts => Some(books.outstanding_receipts_id),
            Role::OutstandingPayments => Some(books.outstanding_payments_id),
            Role::DisputeLosses => books.accounts.get(&LedgerAccount::DisputeLosses).copied(),
            Role::Ledger(LedgerAccount::Fees) => Some(books.fee_account_id),
            Role::Ledger(account) => books.accounts.get(&account).copied(),
        }
    }

    /// A free code beside its neighbours, of their length.
    pub(super) fn free_code(&self, chart: &Chart, taken: &BTreeSet<String>) -> Option<String> {
        let code_of = |id| chart.account(id).map(|account| account.code().to_owned());
        let company = &chart.company;
        let beside = match self.near {
            Near::Liquidity => code_of(company.transfer_account_id.id())
                .or_else(|| code_of(company.account_journal_suspense_account_id.id())),
            Near::FinancialExpenses => code_of(company.expense_currency_exchange_account_id.id()),
            Near::ItsType => None,
        };
        let kind = self.kinds.first();
        let of_type = || {
            chart
                .accounts
                .iter()
                .filter(|account| Some(&account.kind.as_str()) == kind)
                .map(|account| account.code().to_owned())
                .min()
        };
        next_free(&beside.filter(|code| !code.is_empty()).or_else(of_type)?, taken)
    }
}

/// The first code behind another one that nobody has, of the same length.
fn next_free(code: &str, taken: &BTreeSet<String>) -> Option<String> {
    let stem = code.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let digits = code.strip_prefix(stem)?;
    let width = digits.len();
    let from: u64 = digits.parse().ok()?;
    let to = 10_u64.checked_pow(u32::try_from(width).ok()?)?;
    (from + 1..to)
        .map(|number| format!("{stem}{number:0width$}"))
        .find(|code| !taken.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_code_is_as_long_as_its_neighbour() {
        let taken = ["101701", "101702", "0999", "A9"].map(str::to_owned).into();
        assert_eq!(next_free("101701", &taken).as_deref(), Some("101703"));
        assert_eq!(next_free("0998", &taken).as_deref(), Some("1000"));
        assert_eq!(next_free("512.008", &taken).as_deref(), Some("512.009"));
        assert_eq!(next_free("A9", &taken), None);
        assert_eq!(next_free("none", &taken), None);
    }

    #[test]
    fn a_role_has_the_word_of_its_account() {
        assert_eq!(word(Role::Ledger(LedgerAccount::FeeTax)), "fee_tax");
        assert_eq!(word(Role::OutstandingReceipts), "outstanding_receipts");
    }
}
