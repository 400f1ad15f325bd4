//! Odoo's import: records under external ids.
//!
//! A call that finds an external id which was made after the call began loses, as under Postgres' REPEATABLE READ.
//! Odoo tells that with status 200 and a message.

use serde_json::{Value, json};

use super::books::{Books, ExternalId};
use super::error::{OdooError, load_message};
use super::model::Model;
use super::rows::{New, Row, doubled};

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
const LINE: [&str; 20] = [
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
    "line_ids/tax_ids/.id",
    "line_ids/tax_repartition_line_id/.id",
    "line_ids/tax_tag_ids/.id",
    "line_ids/tax_base_amount",
    "line_ids/display_type",
];
const ENTRY: [&str; 33] = [
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
    "line_ids/tax_ids/.id",
    "line_ids/tax_repartition_line_id/.id",
    "line_ids/tax_tag_ids/.id",
    "line_ids/tax_base_amount",
    "line_ids/display_type",
    "partner_id/.id",
    "currency_id",
    "invoice_date",
    "reversed_entry_id/.id",
    "invoice_payment_term_id/.id",
    "fiscal_position_id/.id",
    "invoice_line_ids/product_id/.id",
    "invoice_line_ids/product_uom_id/.id",
    "invoice_line_ids/name",
    "invoice_line_ids/account_id/.id",
    "invoice_line_ids/quantity",
    "invoice_line_ids/price_unit",
    "invoice_line_ids/discount",
    "invoice_line_ids/tax_ids/.id",
    "invoice_line_ids/analytic_distribution",
    "invoice_line_ids/sequence",
    "invoice_origin",
];

const ACCOUNT: [&str; 5] = ["id", "code", "name", "account_type", "reconcile"];
const JOURNAL: [&str; 5] = ["id", "name", "code", "type", "currency_id/.id"];

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
            | Model::Partner
            | Model::Tag
            | Model::Tax
            | Model::TaxShare => &[],
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
                Err(new) => self.keep(books, name, new)?,
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
        if self.model == Model::Entry && row.text("move_type") == "out_refund" {
            let mut note = row.credit_note(books)?;
            for index in from..=to {
                note.lines
                    .push(self.row(index).document_line(books, note.currency)?);
            }
            return Ok(New::Document(note));
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

    fn keep(&self, books: &mut Books, name: String, new: New) -> Result<i64, OdooError> {
        let id = match new {
            New::Account(account) => books.accounts.add(account),
            New::Journal(name, code, currency) => books.open_bank_journal(&name, &code, currency),
            New::Payment(payment) => books.payments.add(payment),
            New::Line(line) => books.add_line(line),
            New::Entry(entry) => books.add_general(entry),
            New::Document(document) => books.add_document(document)?,
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
        Ok(id)
    }

    fn row(&self, index: usize) -> Row<'_> {
        let cells = self.rows.get(index).into_iter().flatten().map(String::as_str);
        Row(self.fields.iter().map(String::as_str).zip(cells).collect())
    }
}
