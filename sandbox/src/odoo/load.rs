//! Odoo's import: records under external ids.
//!
//! A call that finds an external id which was made after the call began loses, as under Postgres' REPEATABLE READ.
//! Odoo tells that with status 200 and a message.

use std::collections::HashMap;

use serde_json::{Value, json};
use time::Date;
use time::macros::format_description;

use super::books::{Account, Books, ExternalId, Payment};
use super::entries::{NewEntry, NewLine, Side};
use super::error::{OdooError, load_message};
use super::model::Model;

const PAYMENT: [&str; 12] = [
    "id",
    "payment_type",
    "partner_type",
    "partner_id/.id",
    "amount",
    "currency_id",
    "date",
    "journal_id/.id",
    "payment_method_line_id/.id",
    "memo",
    "payment_reference",
    "destination_account_id/.id",
];
const LINE: [&str; 15] = [
    "id",
    "journal_id/.id",
    "date",
    "payment_ref",
    "ref",
    "amount",
    "partner_id/.id",
    "line_ids/account_id/.id",
    "line_ids/name",
    "line_ids/amount_currency",
    "line_ids/currency_id",
    "line_ids/partner_id/.id",
    "foreign_currency_id",
    "amount_currency",
    "line_ids/balance",
];
const ENTRY: [&str; 11] = [
    "id",
    "journal_id/.id",
    "date",
    "ref",
    "move_type",
    "line_ids/account_id/.id",
    "line_ids/name",
    "line_ids/amount_currency",
    "line_ids/currency_id",
    "line_ids/partner_id/.id",
    "line_ids/balance",
];

const ACCOUNT: [&str; 5] = ["id", "code", "name", "account_type", "reconcile"];
const JOURNAL: [&str; 5] = ["id", "name", "code", "type", "currency_id/.id"];

/// The types of accounts that are known.
const KINDS: [&str; 12] = [
    "asset_receivable",
    "asset_cash",
    "asset_current",
    "asset_non_current",
    "liability_payable",
    "liability_current",
    "liability_non_current",
    "equity",
    "income",
    "income_other",
    "expense",
    "expense_direct_cost",
];

/// One import, as it was called.
#[derive(Debug)]
pub(super) struct Import<'a> {
    pub(super) model: Model,
    pub(super) fields: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) context: &'a Value,
    /// The generation of the books when the call began.
    pub(super) begun: u64,
}

/// One record to be made.
enum New {
    Account(Account),
    /// A bank journal: its name, its short code, and its currency where it is not the company's.
    Journal(String, String, Option<i64>),
    Payment(Payment),
    Line(NewLine),
    Entry(NewEntry),
}

/// The cells of one row by their field.
struct Row<'a>(HashMap<&'a str, &'a str>);

impl Import<'_> {
    /// Makes the records or finds them; all or none.
    pub(super) fn run(&self, books: &mut Books) -> Result<Value, OdooError> {
        let known: &[&str] = match self.model {
            Model::Account => &ACCOUNT,
            Model::Journal => &JOURNAL,
            Model::Payment => &PAYMENT,
            Model::StatementLine => &LINE,
            Model::Entry => &ENTRY,
            Model::Company
            | Model::Currency
            | Model::Item
            | Model::MethodLine
            | Model::Partial
            | Model::Partner => &[],
        };
        if let Some(field) = self.fields.iter().find(|field| !known.contains(&field.as_str())) {
            return Err(OdooError::value(format!("Invalid field name '{field}'")));
        }
        let spans = self.records();
        let mut ids = Vec::new();
        let mut made = Vec::new();
        for (from, to) in &spans {
            let found = self.find(books, *from).and_then(|(name, found)| match found {
                Some(id) => Ok((name, Ok(id))),
                None => Ok((name, Err(self.new_record(books, *from, *to)?))),
            });
            match found {
                Ok((name, Err(New::Account(account)))) => {
                    if made.iter().any(
                        |(_, other)| matches!(other, Err(New::Account(other)) if other.code == account.code),
                    ) {
                        let messages = [load_message(&doubled(&account.code), (*from, *to))];
                        return Ok(json!({"ids": false, "messages": messages, "nextrow": 0}));
                    }
                    made.push((name, Err(New::Account(account))));
                }
                Ok(record) => made.push(record),
                Err(error) => {
                    let messages = [load_message(&error.message, (*from, *to))];
                    return Ok(json!({"ids": false, "messages": messages, "nextrow": 0}));
                }
            }
        }
        for (name, record) in made {
            ids.push(match record {
                Ok(id) => id,
                Err(new) => self.keep(books, name, new),
            });
        }
        Ok(json!({"ids": ids, "messages": [], "nextrow": 0}))
    }

    /// The rows of each record: a row whose first columns are empty belongs to the one above it.
    fn records(&self) -> Vec<(usize, usize)> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            match spans.last_mut() {
                Some(span) if row.first().is_none_or(String::is_empty) => span.1 = index,
                _ => spans.push((index, index)),
            }
        }
        spans
    }

    /// The external id of a row, and the record that it stands for already.
    fn find(&self, books: &Books, row: usize) -> Result<(String, Option<i64>), OdooError> {
        let name = self.row(row).text("id").to_owned();
        if name.is_empty() {
            return Err(OdooError::value(
                "the pretend Odoo imports nothing without an external id",
            ));
        }
        let Some(found) = books.external_ids.get(&name) else {
            return Ok((name, None));
        };
        if found.model != self.model.name() {
            return Err(OdooError::user(format!(
                "For external id {name} found record of different model"
            )));
        }
        if found.born > self.begun {
            return Err(OdooError::user(
                "could not serialize access due to concurrent update\n",
            ));
        }
        if !(found.noupdate && self.context["mode"] == "update") {
            return Err(OdooError::value(
                "the pretend Odoo rewrites nothing: a real one would",
            ));
        }
        Ok((name, Some(found.id)))
    }

    fn new_record(&self, books: &Books, from: usize, to: usize) -> Result<New, OdooError> {
        let row = self.row(from);
        if self.model == Model::Payment {
            return row.payment(books).map(New::Payment);
        }
        if self.model == Model::Account {
            return row.account(books).map(New::Account);
        }
        if self.model == Model::Journal {
            return row.journal(books);
        }
        if self.model == Model::Entry {
            let mut entry = row.entry(books)?;
            for index in from..=to {
                entry.sides.push(self.row(index).side(books)?);
            }
            entry.check(books)?;
            return Ok(New::Entry(entry));
        }
        let mut line = row.line(books)?;
        for index in from..=to {
            line.sides.push(self.row(index).side(books)?);
        }
        line.check(books)?;
        Ok(New::Line(line))
    }

    fn keep(&self, books: &mut Books, name: String, new: New) -> i64 {
        let id = match new {
            New::Account(account) => books.accounts.add(account),
            New::Journal(name, code, currency) => books.open_bank_journal(&name, &code, currency),
            New::Payment(payment) => books.payments.add(payment),
            New::Line(line) => books.add_line(line),
            New::Entry(entry) => books.add_general(entry),
        };
        books.generation += 1;
        let noupdate = self.context["noupdate"] == true;
        let made = ExternalId {
            model: self.model.name(),
            id,
            noupdate,
            born: books.generation,
        };
        books.external_ids.insert(name, made);
        id
    }

    fn row(&self, index: usize) -> Row<'_> {
        let cells = self.rows.get(index).into_iter().flatten().map(String::as_str);
        Row(self.fields.iter().map(String::as_str).zip(cells).collect())
    }
}

/// What Odoo says of codes that others have.
fn doubled(code: &str) -> String {
    format!("Account codes must be unique. You can't create accounts with these duplicate codes: {code}")
}

impl Row<'_> {
    fn account(&self, books: &Books) -> Result<Account, OdooError> {
        let (code, kind) = (self.text("code"), self.text("account_type"));
        let Some(kind) = KINDS.into_iter().find(|known| *known == kind) else {
            return Err(OdooError::user(format!(
                "Value '{kind}' not found in selection field 'Type'"
            )));
        };
        let reconcile = match self.text("reconcile") {
            "1" => true,
            "0" | "" => false,
            other => {
                return Err(OdooError::user(format!(
                    "Unknown value '{other}' for boolean field 'Allow Reconciliation'"
                )));
            }
        };
        if code.is_empty() || self.text("name").is_empty() {
            return Err(OdooError::user(
                "Missing required value for the field 'Account Name'",
            ));
        }
        if books.accounts.iter().any(|(_, account)| account.code == code) {
            return Err(OdooError::user(doubled(code)));
        }
        Ok(Account {
            code: code.to_owned(),
            name: self.text("name").to_owned(),
            kind,
            reconcile,
            active: true,
            currency: None,
        })
    }

    fn journal(&self, books: &Books) -> Result<New, OdooError> {
        if self.text("type") != "bank" {
            return Err(OdooError::value(
                "the pretend Odoo imports journals of type bank only",
            ));
        }
        let (name, code) = (self.text("name"), self.text("code"));
        if name.is_empty() || code.is_empty() || code.len() > 5 {
            return Err(OdooError::value(
                "the pretend Odoo imports journals with a name and a short code only",
            ));
        }
        if books.journals.iter().any(|(_, journal)| journal.code == code) {
            return Err(OdooError::user("Journal codes must be unique per company."));
        }
        let currency = self.link(books, "currency_id/.id")?;
        Ok(New::Journal(name.to_owned(), code.to_owned(), currency))
    }

    fn payment(&self, books: &Books) -> Result<Payment, OdooError> {
        let inbound = match self.text("payment_type") {
            "inbound" => true,
            "outbound" => false,
            other => {
                return Err(OdooError::user(format!(
                    "Value '{other}' not found in selection field 'Payment Type'"
                )));
            }
        };
        let currency = self.currency(books, "currency_id")?;
        let required = |field| {
            self.link(books, field)?
                .ok_or_else(|| OdooError::user(format!("Missing required value for the field '{field}'")))
        };
        Ok(Payment {
            inbound,
            partner: self.link(books, "partner_id/.id")?,
            currency,
            minor: self.minor(books, "amount", currency)?,
            date: self.date("date")?,
            journal: required("journal_id/.id")?,
            method_line: required("payment_method_line_id/.id")?,
            memo: self.text("memo").to_owned(),
            reference: self.text("payment_reference").to_owned(),
            destination: if self.0.contains_key("destination_account_id/.id") {
                self.link(books, "destination_account_id/.id")?
            } else {
                Some(books.account("121000")?)
            },
            entry: None,
        })
    }

    fn line(&self, books: &Books) -> Result<NewLine, OdooError> {
        let journal = self.link(books, "journal_id/.id")?.unwrap_or_default();
        Ok(NewLine {
            journal,
            date: self.date("date")?,
            label: self.text("payment_ref").to_owned(),
            reference: self.text("ref").to_owned(),
            minor: self.minor(books, "amount", books.currency_of(journal))?,
            partner: self.link(books, "partner_id/.id")?,
            sides: Vec::new(),
        })
    }

    fn entry(&self, books: &Books) -> Result<NewEntry, OdooError> {
        if self.text("move_type") != "entry" {
            return Err(OdooError::value("the pretend Odoo imports plain entries only"));
        }
        Ok(NewEntry {
            journal: self.link(books, "journal_id/.id")?.unwrap_or_default(),
            date: self.date("date")?,
            reference: self.text("ref").to_owned(),
            sides: Vec::new(),
        })
    }

    fn side(&self, books: &Books) -> Result<Side, OdooError> {
        let currency = self.currency(books, "line_ids/currency_id")?;
        let minor = self.minor(books, "line_ids/amount_currency", currency)?;
        let value = self.text("line_ids/balance");
        let worth_minor = if value.is_empty() {
            None
        } else {
            Some(self.minor(books, "line_ids/balance", books.currency)?)
        };
        Ok(Side {
            account: self.link(books, "line_ids/account_id/.id")?.unwrap_or_default(),
            partner: self.link(books, "line_ids/partner_id/.id")?,
            label: self.text("line_ids/name").to_owned(),
            currency,
            minor,
            worth_minor,
        })
    }

    fn text(&self, field: &str) -> &str {
        self.0.get(field).copied().unwrap_or_default()
    }

    fn link(&self, books: &Books, field: &str) -> Result<Option<i64>, OdooError> {
        let text = self.text(field);
        if text.is_empty() {
            return Ok(None);
        }
        let link = field.trim_end_matches("/.id").trim_start_matches("line_ids/");
        let model = match link {
            "destination_account_id" => Some(Model::Account),
            "payment_method_line_id" => Some(Model::MethodLine),
            _ => Model::linked(link),
        };
        let id = text
            .parse()
            .ok()
            .filter(|id| model.is_some_and(|model| books.exists(model, *id)));
        id.map(Some).ok_or_else(|| {
            OdooError::user(format!(
                "No matching record found for database id '{text}' in field '{link}'"
            ))
        })
    }

    /// The currency of a cell: only active ones are found by their name.
    fn currency(&self, books: &Books, field: &str) -> Result<i64, OdooError> {
        let name = self.text(field);
        if name.is_empty() {
            return Ok(books.currency);
        }
        books.active_currency(name).ok_or_else(|| {
            OdooError::user(format!(
                "No matching record found for name '{name}' in field 'Currency'"
            ))
        })
    }

    fn date(&self, field: &str) -> Result<Date, OdooError> {
        let text = self.text(field);
        Date::parse(text, format_description!("[year]-[month]-[day]")).map_err(|_| {
            OdooError::user(format!(
                "'{text}' does not seem to be a valid date for field 'Date'"
            ))
        })
    }

    fn minor(&self, books: &Books, field: &str, currency: i64) -> Result<i64, OdooError> {
        let text = self.text(field);
        books.minor(text, currency).ok_or_else(|| {
            OdooError::user(format!(
                "'{text}' does not seem to be a number for field 'Amount'"
            ))
        })
    }
}
