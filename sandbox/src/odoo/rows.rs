//! The rows of an import, and the records that they say.

use std::collections::HashMap;

use time::Date;
use time::macros::format_description;

use super::books::{Account, Books, Payment, Source};
use super::documents::{Details, Document, DocumentLine};
use super::entries::{NewEntry, NewLine, Side};
use super::error::OdooError;
use super::model::Model;

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

/// One record to be made.
pub(super) enum New {
    Account(Account),
    /// A bank journal: its name, its short code, and its currency where it is not the company's.
    Journal(String, String, Option<i64>),
    Payment(Payment),
    Line(NewLine),
    Entry(NewEntry),
    Document(Document),
}

/// The cells of one row by their field.
pub(super) struct Row<'a>(pub(super) HashMap<&'a str, &'a str>);

/// What Odoo says of codes that others have.
pub(super) fn doubled(code: &str) -> String {
    format!("Account codes must be unique. You can't create accounts with these duplicate codes: {code}")
}

impl Row<'_> {
    pub(super) fn account(&self, books: &Books) -> Result<Account, OdooError> {
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

    pub(super) fn journal(&self, books: &Books) -> Result<New, OdooError> {
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

    pub(super) fn payment(&self, books: &Books) -> Result<Payment, OdooError> {
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

    pub(super) fn line(&self, books: &Books) -> Result<NewLine, OdooError> {
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

    pub(super) fn entry(&self, books: &Books) -> Result<NewEntry, OdooError> {
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

    pub(super) fn side(&self, books: &Books) -> Result<Side, OdooError> {
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
            details: self.details(books)?,
        })
    }

    /// What a tax report counts of an item. A base without its tax beside it would have Odoo work one out.
    fn details(&self, books: &Books) -> Result<Details, OdooError> {
        let base = self.text("line_ids/tax_base_amount");
        let base_minor = if base.is_empty() {
            0
        } else {
            self.minor(books, "line_ids/tax_base_amount", books.currency)?
        };
        Ok(Details {
            display: match self.text("line_ids/display_type") {
                "" | "product" => None,
                "tax" => Some("tax"),
                other => {
                    return Err(OdooError::value(format!(
                        "the pretend Odoo does not know items of type '{other}'"
                    )));
                }
            },
            taxes: self.links(books, "line_ids/tax_ids/.id", Model::Tax)?,
            share: self.link(books, "line_ids/tax_repartition_line_id/.id")?,
            tags: self.links(books, "line_ids/tax_tag_ids/.id", Model::Tag)?,
            base_minor,
            ..Details::default()
        })
    }

    /// What says what a credit note is.
    pub(super) fn credit_note(&self, books: &Books) -> Result<Document, OdooError> {
        let required = |field| {
            self.link(books, field)?
                .ok_or_else(|| OdooError::user(format!("Missing required value for the field '{field}'")))
        };
        Ok(Document {
            source: Source::CreditNote(self.link(books, "reversed_entry_id/.id")?),
            journal: required("journal_id/.id")?,
            partner: required("partner_id/.id")?,
            date: self.date("invoice_date")?,
            reference: Some(self.text("ref").to_owned()),
            currency: self.currency(books, "currency_id")?,
            lines: Vec::new(),
        })
    }

    /// One line of a document: of whole pieces, whole minor units and without a discount.
    pub(super) fn document_line(&self, books: &Books, currency: i64) -> Result<DocumentLine, OdooError> {
        let whole = self.text("invoice_line_ids/quantity").trim_end_matches(".0");
        let price = books.minor(self.text("invoice_line_ids/price_unit"), currency);
        let is_plain = matches!(self.text("invoice_line_ids/discount"), "" | "0" | "0.0");
        let account = self.link(books, "invoice_line_ids/account_id/.id")?;
        let (Ok(quantity), Some(price_minor), true, Some(account)) =
            (whole.parse(), price, is_plain, account)
        else {
            return Err(OdooError::value(
                "the pretend Odoo takes whole quantities and minor units without a discount only",
            ));
        };
        Ok(DocumentLine {
            label: self.text("invoice_line_ids/name").to_owned(),
            account,
            quantity,
            price_minor,
            taxes: self.links(books, "invoice_line_ids/tax_ids/.id", Model::Tax)?,
        })
    }

    /// Several records in one cell.
    fn links(&self, books: &Books, field: &str, model: Model) -> Result<Vec<i64>, OdooError> {
        let ids = self.text(field).split(',').filter(|id| !id.is_empty());
        ids.map(|text| {
            let id = text.parse().ok().filter(|id| books.exists(model, *id));
            id.ok_or_else(|| {
                OdooError::user(format!(
                    "No matching record found for database id '{text}' in field '{field}'"
                ))
            })
        })
        .collect()
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.0.get(field).copied().unwrap_or_default()
    }

    fn link(&self, books: &Books, field: &str) -> Result<Option<i64>, OdooError> {
        let text = self.text(field);
        if text.is_empty() {
            return Ok(None);
        }
        let link = field
            .trim_end_matches("/.id")
            .trim_start_matches("invoice_")
            .trim_start_matches("line_ids/");
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
