//! The books: accounts, journals, entries, payments and statement lines, in integer minor units.

use std::collections::HashMap;

use time::Date;

use super::currency::{self, Currency};
use super::documents::Details;
use super::error::OdooError;
use super::table::Table;
use super::taxes::{Share, Tax};

/// The accounts that the company names for a purpose.
pub(super) const SUSPENSE: &str = "101402";
pub(super) const TRANSFER: &str = "101701";
pub(super) const EXCHANGE_GAIN: &str = "441000";
pub(super) const EXCHANGE_LOSS: &str = "641000";

/// The journal of what exchange rates made of items that met.
pub(super) const EXCHANGE: &str = "EXCH";

/// Everything that one pretend database holds.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) company: String,
    /// The company's currency.
    pub(super) currency: i64,
    pub(super) currencies: Table<Currency>,
    /// The last day of the locked period.
    pub(super) lock_date: Option<Date>,
    pub(super) accounts: Table<Account>,
    pub(super) journals: Table<Journal>,
    pub(super) method_lines: Table<MethodLine>,
    pub(super) partners: Table<String>,
    pub(super) entries: Table<Entry>,
    pub(super) items: Table<Item>,
    pub(super) payments: Table<Payment>,
    pub(super) lines: Table<StatementLine>,
    pub(super) partials: Table<Partial>,
    pub(super) taxes: Table<Tax>,
    pub(super) shares: Table<Share>,
    /// What marks amounts for tax reports.
    pub(super) tags: Table<String>,
    pub(super) external_ids: HashMap<String, ExternalId>,
    pub(super) numbers: HashMap<String, u32>,
    /// Grows with every change: what a call that began earlier has not seen.
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) code: String,
    pub(super) name: String,
    /// Odoo's `account_type`.
    pub(super) kind: &'static str,
    /// Whether items on it can be reconciled.
    pub(super) reconcile: bool,
    pub(super) active: bool,
    /// The only currency that it takes, where it is not the company's.
    pub(super) currency: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Journal {
    pub(super) code: String,
    pub(super) name: String,
    /// Odoo's `type`.
    pub(super) kind: String,
    pub(super) account: Option<i64>,
    pub(super) suspense: Option<i64>,
    /// None where it is the company's.
    pub(super) currency: Option<i64>,
    pub(super) active: bool,
}

#[derive(Debug)]
pub(super) struct MethodLine {
    pub(super) journal: i64,
    pub(super) inbound: bool,
    pub(super) account: Option<i64>,
}

/// A journal entry (`account.move`): an invoice, or what a payment or statement line books.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) journal: i64,
    /// Its number, once posted.
    pub(super) name: Option<String>,
    pub(super) date: Date,
    pub(super) reference: Option<String>,
    pub(super) partner: Option<i64>,
    pub(super) currency: i64,
    pub(super) source: Source,
}

/// What an entry came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Invoice,
    /// Of an invoice, or of none.
    CreditNote(Option<i64>),
    General,
    Payment(i64),
    StatementLine(i64),
}

/// A journal item (`account.move.line`).
#[derive(Debug)]
pub(super) struct Item {
    pub(super) entry: i64,
    pub(super) account: i64,
    pub(super) partner: Option<i64>,
    pub(super) label: String,
    pub(super) currency: i64,
    /// In its currency; debit positive, credit negative.
    pub(super) minor: i64,
    /// What it is worth in the company's currency.
    pub(super) worth_minor: i64,
    /// What is left to be reconciled, in its currency and of the same sign.
    pub(super) residual_minor: i64,
    /// What that is worth in the company's currency.
    pub(super) residual_worth_minor: i64,
    pub(super) details: Details,
}

#[derive(Debug)]
pub(super) struct Payment {
    pub(super) inbound: bool,
    pub(super) partner: Option<i64>,
    pub(super) currency: i64,
    pub(super) minor: i64,
    pub(super) date: Date,
    pub(super) journal: i64,
    pub(super) method_line: i64,
    pub(super) memo: String,
    pub(super) reference: String,
    /// Where the customer owes; a payment without it cannot be posted.
    pub(super) destination: Option<i64>,
    /// Its entry, once posted.
    pub(super) entry: Option<i64>,
}

#[derive(Debug)]
pub(super) struct StatementLine {
    pub(super) label: String,
    pub(super) minor: i64,
    pub(super) entry: i64,
}

/// What a debit and a credit have in common (`account.partial.reconcile`): nothing once they were parted.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) debit: i64,
    pub(super) credit: i64,
    pub(super) minor: i64,
    /// What that was worth to the company in either of them: positive, the debit before the credit.
    pub(super) worth_minor: [i64; 2],
    /// The entries that took up the difference of both.
    pub(super) exchanged: Vec<i64>,
}

/// The name under which an import made a record.
#[derive(Debug)]
pub(super) struct ExternalId {
    pub(super) model: &'static str,
    pub(super) id: i64,
    pub(super) noupdate: bool,
    /// The generation in which it was made.
    pub(super) born: u64,
}

impl Books {
    /// A company with a generic chart of accounts, an invoice journal, a bank and a Stripe journal.
    pub(super) fn new(company: String, currency: &str, rates: &[(String, u64)]) -> Self {
        let (currencies, currency) = currency::all(currency, rates);
        let mut books = Self {
            company,
            currency,
            currencies,
            lock_date: None,
            accounts: Table::starting_at(41),
            journals: Table::starting_at(6),
            method_lines: Table::starting_at(13),
            partners: Table::starting_at(1_001),
            entries: Table::starting_at(2_001),
            items: Table::starting_at(50_001),
            payments: Table::starting_at(301),
            lines: Table::starting_at(701),
            partials: Table::starting_at(90_001),
            taxes: Table::starting_at(9_001),
            shares: Table::starting_at(9_501),
            tags: Table::starting_at(31),
            external_ids: HashMap::new(),
            numbers: HashMap::new(),
            generation: 0,
        };
        books.open();
        books
    }

    fn open(&mut self) {
        let mut account = |code: &str, name: &str, kind, reconcile| {
            self.accounts.add(Account {
                code: code.to_owned(),
                name: name.to_owned(),
                kind,
                reconcile,
                active: true,
                currency: None,
            })
        };
        account("121000", "Account Receivable", "asset_receivable", true);
        account("400000", "Product Sales", "income", false);
        account("621000", "Stripe Fees", "expense", false);
        account("101404", "Outstanding Payments", "asset_current", true);
        let outstanding = account("101403", "Outstanding Receipts", "asset_current", true);
        let stripe = account("101410", "Stripe", "asset_cash", false);
        let bank = account("101401", "Bank", "asset_cash", false);
        account(SUSPENSE, "Bank Suspense Account", "asset_current", false);
        account(TRANSFER, "Liquidity Transfer", "asset_current", true);
        account("201000", "Current Liabilities", "liability_current", false);
        account(EXCHANGE_GAIN, "Foreign Exchange Gain", "income", false);
        account(EXCHANGE_LOSS, "Foreign Exchange Loss", "expense", false);
        account("131000", "Tax Paid", "asset_current", false);
        for tag in ["purchases", "deductible"] {
            self.tags.add(tag.to_owned());
        }
        self.add_journal("Customer Invoices", "INV", "sale", None, None);
        self.add_journal("Exchange Difference", EXCHANGE, "general", None, None);
        self.add_journal("Bank", "BNK1", "bank", Some(bank), None);
        self.add_journal("Stripe", "STRP", "bank", Some(stripe), Some(outstanding));
        let general = self.add_journal("Miscellaneous Operations", "MISC", "general", None, None);
        let known = ExternalId {
            model: "account.journal",
            id: general,
            noupdate: true,
            born: 0,
        };
        self.external_ids.insert("account.1_general".to_owned(), known);
    }

    /// A journal; one of type bank with a method line for each direction.
    fn add_journal(
        &mut self,
        name: &str,
        code: &str,
        kind: &str,
        account: Option<i64>,
        outstanding: Option<i64>,
    ) -> i64 {
        let suspense = account.and_then(|_| self.account(SUSPENSE).ok());
        let journal = self.journals.add(Journal {
            code: code.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            account,
            suspense,
            currency: None,
            active: true,
        });
        if kind == "bank" {
            for inbound in [true, false] {
                self.method_lines.add(MethodLine {
                    journal,
                    inbound,
                    account: outstanding,
                });
            }
        }
        journal
    }

    /// A bank journal as Odoo completes it: with an account of its own in its currency, and methods that wait nowhere.
    pub(super) fn open_bank_journal(&mut self, name: &str, code: &str, currency: Option<i64>) -> i64 {
        let has = |code: &str| self.accounts.iter().any(|(_, account)| account.code == code);
        let number = (1..).map(|number: u32| format!("1014{number:02}"));
        let account_code = number.into_iter().find(|code| !has(code)).unwrap_or_default();
        let account = self.accounts.add(Account {
            code: account_code,
            name: name.to_owned(),
            kind: "asset_cash",
            reconcile: false,
            active: true,
            currency,
        });
        let id = self.add_journal(name, code, "bank", Some(account), None);
        if let Some(journal) = self.journals.get_mut(id) {
            journal.currency = currency;
        }
        id
    }

    /// What a journal holds.
    pub(super) fn currency_of(&self, journal: i64) -> i64 {
        let own = self.journals.get(journal).and_then(|journal| journal.currency);
        own.unwrap_or(self.currency)
    }

    /// An account by its code.
    pub(super) fn account(&self, code: &str) -> Result<i64, OdooError> {
        let mut accounts = self.accounts.iter();
        accounts
            .find(|(_, account)| account.code == code)
            .map(|(id, _)| id)
            .ok_or_else(|| OdooError::user(format!("There is no account {code}.")))
    }

    /// A journal by its code.
    pub(super) fn journal(&self, code: &str) -> Result<i64, OdooError> {
        let mut journals = self.journals.iter();
        journals
            .find(|(_, journal)| journal.code == code)
            .map(|(id, _)| id)
            .ok_or_else(|| OdooError::user(format!("There is no journal {code}.")))
    }

    /// Whether an entry is posted: it has its number then.
    pub(super) fn is_posted(&self, entry: i64) -> bool {
        self.entries.get(entry).is_some_and(|entry| entry.name.is_some())
    }

    /// The items of an entry.
    pub(super) fn items_of(&self, entry: i64) -> impl Iterator<Item = (i64, &Item)> {
        self.items.iter().filter(move |(_, item)| item.entry == entry)
    }
}
