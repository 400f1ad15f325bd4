//! Reading a field of a record, as Odoo shows it.

use serde_json::{Value, json};

use super::books::{Books, EXCHANGE_GAIN, EXCHANGE_LOSS, SUSPENSE, Source, TRANSFER};
use super::error::OdooError;
use super::model::{Model, unknown_field};

impl Books {
    /// The ids of all records of a model, oldest first.
    pub(super) fn ids(&self, model: Model) -> Vec<i64> {
        match model {
            Model::Account => self.accounts.iter().map(|(id, _)| id).collect(),
            Model::Company => vec![1],
            Model::Currency => self.currencies.iter().map(|(id, _)| id).collect(),
            Model::Entry => self.entries.iter().map(|(id, _)| id).collect(),
            Model::Item => self.items.iter().map(|(id, _)| id).collect(),
            Model::Journal => self.journals.iter().map(|(id, _)| id).collect(),
            Model::MethodLine => self.method_lines.iter().map(|(id, _)| id).collect(),
            Model::Partial => {
                let all = self.partials.iter().map(|(id, _)| id);
                all.filter(|id| self.exists(model, *id)).collect()
            }
            Model::Partner => self.partners.iter().map(|(id, _)| id).collect(),
            Model::Payment => self.payments.iter().map(|(id, _)| id).collect(),
            Model::StatementLine => self.lines.iter().map(|(id, _)| id).collect(),
            Model::Tag => self.tags.iter().map(|(id, _)| id).collect(),
            Model::Tax => self.taxes.iter().map(|(id, _)| id).collect(),
            Model::TaxShare => self.shares.iter().map(|(id, _)| id).collect(),
        }
    }

    /// Whether a record is there.
    pub(super) fn exists(&self, model: Model, id: i64) -> bool {
        self.field(model, id, "id").is_some()
    }

    /// Whether a search passes over a record unless it asks for all.
    pub(super) fn is_archived(&self, model: Model, id: i64) -> bool {
        self.field(model, id, "active") == Some(json!(false))
    }

    /// A field of a record that is there.
    pub(super) fn read(&self, model: Model, id: i64, field: &str) -> Result<Value, OdooError> {
        self.field(model, id, field)
            .ok_or_else(|| unknown_field(model, field))
    }

    fn field(&self, model: Model, id: i64, field: &str) -> Option<Value> {
        let value = match model {
            Model::Account => self.account_field(id, field)?,
            Model::Company => self.company_field(id, field)?,
            Model::Currency => self.currency_field(id, field)?,
            Model::Entry => self.entry_field(id, field)?,
            Model::Item => self.item_field(id, field)?,
            Model::Journal => self.journal_field(id, field)?,
            Model::MethodLine => self.method_line_field(id, field)?,
            Model::Partial => self.partial_field(id, field)?,
            Model::Partner => self.partner_field(id, field)?,
            Model::Payment => self.payment_field(id, field)?,
            Model::StatementLine => self.line_field(id, field)?,
            Model::Tag => self.tag_field(id, field)?,
            Model::Tax => self.tax_field(id, field)?,
            Model::TaxShare => self.share_field(id, field)?,
        };
        Some(if field == "id" { json!(id) } else { value })
    }

    fn account_field(&self, id: i64, field: &str) -> Option<Value> {
        let account = self.accounts.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "code" => json!(account.code),
            "name" => json!(account.name),
            "account_type" => json!(account.kind),
            "reconcile" => json!(account.reconcile),
            "active" => json!(account.active),
            "currency_id" => account.currency.map_or(json!(false), |id| self.currency_link(id)),
            _ => return None,
        })
    }

    fn company_field(&self, id: i64, field: &str) -> Option<Value> {
        Some(match field {
            _ if id != 1 => return None,
            "id" => Value::Null,
            "name" => json!(self.company),
            "currency_id" => self.currency_link(self.currency),
            "fiscalyear_lock_date" => self
                .lock_date
                .map_or(json!(false), |date| json!(date.to_string())),
            "transfer_account_id" => self.account_link(self.account(TRANSFER).ok()),
            "account_journal_suspense_account_id" => self.account_link(self.account(SUSPENSE).ok()),
            "income_currency_exchange_account_id" => self.account_link(self.account(EXCHANGE_GAIN).ok()),
            "expense_currency_exchange_account_id" => self.account_link(self.account(EXCHANGE_LOSS).ok()),
            _ => return None,
        })
    }

    fn currency_field(&self, id: i64, field: &str) -> Option<Value> {
        let currency = self.currencies.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "name" => json!(currency.name),
            "active" => json!(currency.active),
            "decimal_places" => json!(currency.decimals),
            "rate" => self.rate(id),
            "rate_ids" => currency.rate.map_or(json!([]), |_| json!([id])),
            _ => return None,
        })
    }

    fn entry_field(&self, id: i64, field: &str) -> Option<Value> {
        let entry = self.entries.get(id)?;
        let of_invoice = |value| {
            if self.payment_of(id).or(self.line_of(id)).is_some() {
                json!(0)
            } else {
                value
            }
        };
        Some(match field {
            "id" => Value::Null,
            "name" => entry.name.as_ref().map_or(json!(false), |name| json!(name)),
            "state" => json!(if entry.name.is_some() { "posted" } else { "draft" }),
            "date" | "invoice_date" => json!(entry.date.to_string()),
            "ref" => entry.reference.as_ref().map_or(json!(false), |text| json!(text)),
            "journal_id" => self.journal_link(entry.journal),
            "company_id" => json!([1, self.company]),
            "currency_id" => self.currency_link(entry.currency),
            "partner_id" => self.partner_link(entry.partner),
            "payment_state" => json!(self.payment_state(id)),
            "move_type" => json!(entry.move_type()),
            "fiscal_position_id" => json!(false),
            "reversed_entry_id" => match entry.source {
                Source::CreditNote(Some(invoice)) => self.entry_link(invoice),
                Source::CreditNote(None)
                | Source::Invoice
                | Source::General
                | Source::Payment(_)
                | Source::StatementLine(_) => json!(false),
            },
            "amount_residual" => of_invoice(self.money(self.invoice_residual(id).abs(), entry.currency)),
            "amount_total" => self.money(
                self.items_of(id)
                    .filter(|(_, item)| item.minor > 0)
                    .map(|(_, item)| item.minor)
                    .sum(),
                entry.currency,
            ),
            _ => return None,
        })
    }

    fn item_field(&self, id: i64, field: &str) -> Option<Value> {
        let item = self.items.get(id)?;
        let entry = self.entries.get(item.entry)?;
        Some(match field {
            "id" => Value::Null,
            "name" => json!(item.label),
            "move_id" => self.entry_link(item.entry),
            "account_id" => self.account_link(Some(item.account)),
            "account_type" => json!(self.accounts.get(item.account)?.kind),
            "partner_id" => self.partner_link(item.partner),
            "journal_id" => self.journal_link(entry.journal),
            "currency_id" => self.currency_link(item.currency),
            "balance" => self.money(item.worth_minor, self.currency),
            "amount_currency" => self.money(item.minor, item.currency),
            "debit" => self.money(item.worth_minor.max(0), self.currency),
            "credit" => self.money((-item.worth_minor).max(0), self.currency),
            "amount_residual" => self.money(item.residual_worth_minor, self.currency),
            "amount_residual_currency" => self.money(item.residual_minor, item.currency),
            "reconciled" => json!(self.is_reconciled(id)),
            "date" => json!(entry.date.to_string()),
            "parent_state" => json!(if entry.name.is_some() { "posted" } else { "draft" }),
            "payment_id" => self
                .payment_of(item.entry)
                .map_or(json!(false), |payment| json!([payment, entry.name])),
            "statement_line_id" => self
                .line_of(item.entry)
                .map_or(json!(false), |line| json!([line, entry.name])),
            "move_type" => json!(entry.move_type()),
            _ => return self.detail_field(item, field),
        })
    }

    /// Where a link of an item leads, where the field is one: to 0, which no record has, where it leads nowhere.
    pub(super) fn item_link(&self, id: i64, field: &str) -> Option<i64> {
        let item = self.items.get(id)?;
        match field {
            "move_id" => Some(item.entry),
            "account_id" => Some(item.account),
            "partner_id" => Some(item.partner.unwrap_or_default()),
            "payment_id" => Some(self.payment_of(item.entry).unwrap_or_default()),
            "statement_line_id" => Some(self.line_of(item.entry).unwrap_or_default()),
            _ => None,
        }
    }

    fn journal_field(&self, id: i64, field: &str) -> Option<Value> {
        let journal = self.journals.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "name" => json!(journal.name),
            "code" => json!(journal.code),
            "type" => json!(journal.kind),
            "active" => json!(journal.active),
            "default_account_id" => self.account_link(journal.account),
            "suspense_account_id" => self.account_link(journal.suspense),
            // False means that of the company.
            "currency_id" => journal.currency.map_or(json!(false), |id| self.currency_link(id)),
            "company_id" => json!([1, self.company]),
            _ => return None,
        })
    }

    fn method_line_field(&self, id: i64, field: &str) -> Option<Value> {
        let line = self.method_lines.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "name" => json!("Manual Payment"),
            "code" => json!("manual"),
            "payment_type" => json!(if line.inbound { "inbound" } else { "outbound" }),
            "journal_id" => self.journal_link(line.journal),
            "payment_account_id" => self.account_link(line.account),
            _ => return None,
        })
    }

    fn partial_field(&self, id: i64, field: &str) -> Option<Value> {
        let partial = self.partials.get(id).filter(|partial| partial.minor != 0)?;
        Some(match field {
            "id" => Value::Null,
            "debit_move_id" => json!([partial.debit, ""]),
            "credit_move_id" => json!([partial.credit, ""]),
            "amount" => {
                let [debit, credit] = partial.worth_minor;
                self.money(debit.min(credit), self.currency)
            }
            "debit_amount_currency" | "credit_amount_currency" => {
                self.money(partial.minor, self.items.get(partial.debit)?.currency)
            }
            _ => return None,
        })
    }

    fn partner_field(&self, id: i64, field: &str) -> Option<Value> {
        let name = self.partners.get(id)?;
        match field {
            "id" => Some(Value::Null),
            "name" => Some(json!(name)),
            _ => None,
        }
    }

    fn payment_field(&self, id: i64, field: &str) -> Option<Value> {
        let payment = self.payments.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "name" => payment
                .entry
                .and_then(|entry| self.entries.get(entry))
                .map_or(json!(false), |entry| json!(entry.name)),
            "state" => json!(self.payment_word(id)),
            "payment_type" => json!(if payment.inbound { "inbound" } else { "outbound" }),
            "partner_id" => self.partner_link(payment.partner),
            "amount" => self.money(payment.minor, payment.currency),
            "currency_id" => self.currency_link(payment.currency),
            // Its own date, even where a lock moved that of its items.
            "date" => json!(payment.date.to_string()),
            "journal_id" => self.journal_link(payment.journal),
            "memo" => json!(payment.memo),
            "payment_reference" => json!(payment.reference),
            "destination_account_id" => self.account_link(payment.destination),
            "move_id" => payment.entry.map_or(json!(false), |entry| self.entry_link(entry)),
            "is_matched" => json!(self.is_matched(id)),
            _ => return None,
        })
    }

    fn line_field(&self, id: i64, field: &str) -> Option<Value> {
        let line = self.lines.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "payment_ref" => json!(line.label),
            "amount" => self.money(line.minor, self.entries.get(line.entry)?.currency),
            "move_id" => self.entry_link(line.entry),
            "is_reconciled" => json!(true),
            "name" | "date" | "ref" | "state" | "journal_id" | "currency_id" | "partner_id" => {
                self.entry_field(line.entry, field)?
            }
            _ => return None,
        })
    }

    fn currency_link(&self, id: i64) -> Value {
        self.currencies
            .get(id)
            .map_or(json!(false), |currency| json!([id, currency.name]))
    }

    pub(super) fn account_link(&self, id: Option<i64>) -> Value {
        let found = id.and_then(|id| Some((id, self.accounts.get(id)?)));
        found.map_or(json!(false), |(id, account)| {
            json!([id, format!("{} {}", account.code, account.name)])
        })
    }

    fn journal_link(&self, id: i64) -> Value {
        self.journals
            .get(id)
            .map_or(json!(false), |journal| json!([id, journal.name]))
    }

    fn partner_link(&self, id: Option<i64>) -> Value {
        let found = id.and_then(|id| Some((id, self.partners.get(id)?)));
        found.map_or(json!(false), |(id, name)| json!([id, name]))
    }

    pub(super) fn entry_link(&self, id: i64) -> Value {
        let Some(entry) = self.entries.get(id) else {
            return json!(false);
        };
        let name = entry.name.as_deref().unwrap_or("Draft Entry");
        let shown = entry
            .reference
            .as_ref()
            .map_or_else(|| name.to_owned(), |text| format!("{name} ({text})"));
        json!([id, shown])
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use time::macros::date;

    use super::*;
    use crate::odoo::books::Payment;

    #[test]
    fn every_field_that_is_known_can_be_read() {
        let mut books = Books::new("Acme".to_owned(), "EUR", &[]);
        let day = date!(2026 - 11 - 20);
        let partner = books.partners.add("Ada".to_owned());
        let invoice = books.add_invoice(partner, day, (100, books.currency)).unwrap();
        books.post_invoice(invoice).unwrap();
        let (journal, method_line) = (books.journal("STRP").unwrap(), books.ids(Model::MethodLine)[2]);
        let destination = books.account("121000").unwrap();
        let payment = books.payments.add(Payment {
            inbound: true,
            partner: Some(partner),
            currency: books.currency,
            minor: 100,
            date: day,
            journal,
            method_line,
            memo: String::new(),
            reference: String::new(),
            destination: Some(destination),
            entry: None,
        });
        books.post_payment(payment).unwrap();

        for model in Model::ALL {
            for id in books.ids(model) {
                for field in model.fields().split(' ') {
                    assert!(books.read(model, id, field).is_ok(), "{} {field}", model.name());
                }
            }
        }
    }
}
