//! What is there, what is missing, and what stands in the way.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ledger::LedgerAccount;
use crate::domain::money::Currency;
use crate::sink::{BankJournal, Books, FeeTax, Role, SetUpReport, SetUpRequest, SinkError, Step, StepState};

use super::super::load::external_id;
use super::chart::{Account, Chart, Journal};
use super::roles::{Spec, needed, word};
use super::{journals, taxes};

const FEE_TAX: Role = Role::Ledger(LedgerAccount::FeeTax);

/// Something that is to be done in Odoo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A currency that the company does not use yet.
    Activate { currency_id: i64 },
    /// An account that is missing.
    Account(NewAccount),
    /// A journal that is missing. Odoo gives it an account and payment methods of its own.
    Journal(NewJournal),
    /// A payment method that waits nowhere.
    Wait { line_id: i64, account_id: i64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewAccount {
    pub(super) external_id: String,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) reconcile: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewJournal {
    pub(super) external_id: String,
    pub(super) code: String,
    pub(super) name: String,
    /// None where it is the company's own.
    pub(super) currency_id: Option<i64>,
}

/// What a company has and lacks for one account at a provider.
pub(super) struct Plan<'a> {
    pub(super) chart: &'a Chart,
    pub(super) request: &'a SetUpRequest,
    pub(super) steps: Vec<Step>,
    pub(super) actions: Vec<Action>,
    pub(super) problems: Vec<String>,
    pub(super) notes: Vec<String>,
    /// The account of each role, where it is there.
    pub(super) accounts: BTreeMap<Role, i64>,
    pub(super) books: Vec<(Currency, Books)>,
    /// The tax on fees, and where it is kept.
    pub(super) fee_tax: Option<(FeeTax, i64)>,
    taken: BTreeSet<String>,
}

impl<'a> Plan<'a> {
    /// Holds what is needed against what is there.
    pub(super) fn make(
        chart: &'a Chart,
        request: &'a SetUpRequest,
        known: &[Books],
    ) -> Result<Self, SinkError> {
        let mut plan = Self {
            chart,
            request,
            steps: Vec::new(),
            actions: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
            accounts: BTreeMap::new(),
            books: Vec::new(),
            fee_tax: None,
            taken: chart
                .accounts
                .iter()
                .map(|account| account.code().to_owned())
                .collect(),
        };
        let currencies = plan.currencies();
        plan.fee_tax = taxes::plan(&mut plan, known);
        let was_on = known.first().is_some_and(|books| books.credit_notes);
        let credit_notes = request.credit_notes.unwrap_or(was_on);
        if credit_notes {
            let note = "refunds make credit notes: the sale that a customer got money back of is taken back";
            plan.notes.push(note.to_owned());
        }
        for spec in needed(request.lost_disputes) {
            plan.role(spec, known)?;
        }
        plan.check_names();
        let general = plan.general_journal();
        let bank = plan.bank_journal();
        for currency in currencies {
            if let Some(mut books) = journals::plan(&mut plan, currency)? {
                books.general_journal_id = general;
                books.fee_tax = plan.fee_tax.as_ref().map(|(tax, _)| tax.clone());
                books.credit_notes = credit_notes;
                // A payout goes to a bank account of its own currency: another's is left to its feed.
                let reached = bank.as_ref().filter(|(held, _)| *held == books.currency);
                books.bank = reached.map(|(_, bank)| bank.clone());
                if let Some((held, _)) = bank.as_ref().filter(|_| reached.is_none()) {
                    plan.notes.push(format!(
                        "the bank's journal holds {held}: the bank's side of payouts in {currency} is left to its feed"
                    ));
                }
                plan.books.push((currency, books));
            }
        }
        plan.check_codes();
        Ok(plan)
    }

    /// Says that something is there.
    pub(super) fn found(&mut self, what: String, purpose: String) {
        self.steps.push(Step {
            state: StepState::Found,
            what,
            purpose,
        });
    }

    /// Says that something is missing, and what is to be done about it, where that can be said already.
    pub(super) fn missing(&mut self, what: String, purpose: String, action: Option<Action>) {
        self.steps.push(Step {
            state: StepState::ToMake,
            what,
            purpose,
        });
        self.actions.extend(action);
    }

    /// The currencies, in the order of their codes.
    fn currencies(&mut self) -> Vec<Currency> {
        let mut wanted = self.request.currencies.clone();
        let own = self.chart.company.currency_id.name();
        if self.request.with_company_currency {
            match own.parse() {
                Ok(currency) => wanted.push(currency),
                Err(_) => self
                    .problems
                    .push(format!("the company's currency {own} is not known here")),
            }
        }
        wanted.sort_by_key(|currency| currency.code());
        wanted.dedup();
        let chart = self.chart;
        for currency in &wanted {
            let code = currency.code();
            let Some(known) = chart.currencies.iter().find(|known| known.name == code) else {
                self.problems
                    .push(format!("Odoo does not know the currency {code}: add it there"));
                continue;
            };
            if code == own {
                continue;
            }
            let (what, purpose) = (format!("currency {code}"), format!("what is settled in {code}"));
            if known.active {
                self.found(what, purpose);
            } else {
                let action = Action::Activate {
                    currency_id: known.id,
                };
                self.missing(format!("{what}, to be activated"), purpose, Some(action));
            }
            if known.rate_ids.is_empty() {
                self.notes.push(format!(
                    "Odoo has no exchange rate of {code} and takes 1 {code} for 1 {own}: enter rates before anything is posted"
                ));
            }
        }
        wanted
    }

    /// Finds the account of a role: that which the operator names, else that which stood for it before, else that which we made,
    /// else the company's own. Where there is none it is to be made.
    fn role(&mut self, spec: &Spec, known: &[Books]) -> Result<(), SinkError> {
        let chart = self.chart;
        let provider = &self.request.provider;
        let key = format!(
            "{}_{}_{}",
            chart.company.id,
            provider.to_lowercase(),
            word(spec.role)
        );
        let external_id = external_id("account", &key)?;
        let by_code = |code: &String| chart.accounts.iter().find(|account| account.code() == code);
        let found = if let Some(code) = self.request.accounts.get(&spec.role) {
            let named = by_code(code);
            if named.is_none() {
                let word = word(spec.role);
                self.problems.push(format!(
                    "no account has the code {code}, which --account {word}={code} names"
                ));
                return Ok(());
            }
            named
        } else if let (FEE_TAX, Some((_, account_id))) = (spec.role, &self.fee_tax) {
            chart.account(Some(*account_id))
        } else {
            let mut before = known.iter().filter_map(|books| spec.of_books(books));
            before
                .find_map(|id| chart.account(Some(id)))
                .or_else(|| {
                    chart
                        .accounts
                        .iter()
                        .find(|account| account.external_id == external_id)
                })
                .or_else(|| chart.account(spec.of_company(&chart.company)))
        };
        if let Some(account) = found {
            match &self.fee_tax {
                // A tax may be kept on an account of any type.
                Some((_, own)) if spec.role == FEE_TAX => self.problems.extend(other_account(account, *own)),
                Some(_) | None => self.problems.extend(spec.complaint(account)),
            }
            self.accounts.insert(spec.role, account.id);
            self.found(account.words(), spec.purpose.to_owned());
            return Ok(());
        }
        let (Some(code), Some(kind)) = (spec.free_code(chart, &self.taken), spec.kinds.first()) else {
            let word = word(spec.role);
            self.problems.push(format!(
                "no free code was found for {} ({}): make the account and name it with --account {word}=CODE",
                spec.name, spec.purpose
            ));
            return Ok(());
        };
        self.taken.insert(code.clone());
        let name = format!("{provider} {}", spec.name);
        let more = if spec.reconcile { ", reconcilable" } else { "" };
        let what = format!("account {code} {name} ({kind}{more})");
        let action = Action::Account(NewAccount {
            external_id,
            code,
            name,
            kind,
            reconcile: spec.reconcile,
        });
        self.missing(what, spec.purpose.to_owned(), Some(action));
        Ok(())
    }

    /// Refuses names for what has no account of its own to name.
    fn check_names(&mut self) {
        let suspense = Role::Ledger(LedgerAccount::Suspense);
        for role in self.request.accounts.keys() {
            let known =
                *role == suspense || needed(self.request.lost_disputes).any(|spec| spec.role == *role);
            if !known {
                self.problems.push(format!(
                    "no account can be named for {}: it follows from the others, or is not needed",
                    word(*role)
                ));
            }
        }
    }

    /// The journal of entries that move nothing at the provider.
    fn general_journal(&mut self) -> Option<i64> {
        let purpose = "entries that move nothing at the provider, such as a dispute's loss";
        let name = format!("account.{}_general", self.chart.company.id);
        let mut general = self
            .chart
            .journals
            .iter()
            .filter(|journal| journal.kind == "general" && journal.active);
        let found = match &self.request.general_journal {
            Some(code) => general.find(|journal| journal.code == *code),
            None => general
                .clone()
                .find(|journal| journal.external_id == name)
                .or_else(|| general.find(|journal| journal.code == "MISC")),
        };
        let Some(journal) = found else {
            self.problems.push(
                "no journal of type Miscellaneous was found: make one and name it with --general-journal CODE".to_owned(),
            );
            return None;
        };
        self.found(Chart::journal_words(journal), purpose.to_owned());
        Some(journal.id)
    }

    /// The bank's own journal, where we write there, and the currency that it holds.
    fn bank_journal(&mut self) -> Option<(String, BankJournal)> {
        let code = self.request.bank_journal.as_ref()?;
        let is_bank = |journal: &&Journal| journal.code == *code && journal.kind == "bank" && journal.active;
        let found = self.chart.journals.iter().find(is_bank);
        let both = found.and_then(|journal| Some((journal, journal.default_account_id.id()?)));
        let Some((journal, account_id)) = both else {
            self.problems.push(format!(
                "no journal of type Bank with an account of its own has the code {code}, which --bank-journal names"
            ));
            return None;
        };
        let bank = BankJournal {
            journal_id: journal.id,
            account_id,
        };
        let held = journal.currency(&self.chart.company).to_owned();
        self.found(
            Chart::journal_words(journal),
            "the bank's side of payouts".to_owned(),
        );
        Some((held, bank))
    }

    fn check_codes(&mut self) {
        let own = self.books.iter().map(|(_, books)| books.journal_account_id);
        let ids = self.accounts.values().copied().chain(own).collect();
        for code in self.chart.doubled_codes(&ids) {
            let note = format!("several accounts have the code {code}: give one of them another code");
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// What is told of it.
    pub(super) fn report(self) -> SetUpReport {
        SetUpReport {
            company: self.chart.company.name.clone(),
            company_currency: self.chart.company.currency_id.name().to_owned(),
            steps: self.steps,
            problems: self.problems,
            notes: self.notes,
            books: self.books,
        }
    }
}

/// Refuses an account for the tax on fees that is not the tax's own.
fn other_account(account: &Account, own: i64) -> Option<String> {
    (account.id != own).then(|| {
        format!(
            "{} is not the account of the tax on fees: name none, or a tax that is kept there",
            account.words()
        )
    })
}
