//! Making records by `create`: customers, journals and invoices.

use serde_json::{Value, json};
use time::Date;

use super::books::Books;
use super::error::OdooError;
use super::methods::{Call, day};
use super::model::Model;

/// A record that is about to be made.
enum New {
    Partner(String),
    Journal {
        name: String,
        code: String,
    },
    Invoice {
        partner: i64,
        date: Date,
        /// Minor units, and of which currency.
        amount: (i64, i64),
    },
}

impl Call {
    /// Makes records: all of them or none.
    pub(super) fn create(&self, books: &mut Books) -> Result<Value, OdooError> {
        if !self.may_write() {
            return Err(OdooError::access(self.forbidden()));
        }
        let all = self.needed("vals_list")?.as_array();
        let new = all
            .into_iter()
            .flatten()
            .map(|vals| self.new_record(books, vals))
            .collect::<Result<Vec<New>, _>>()?;
        let ids = new.into_iter().map(|new| match new {
            New::Partner(name) => Ok(books.partners.add(name)),
            New::Journal { name, code } => Ok(books.open_bank_journal(&name, &code, None)),
            New::Invoice {
                partner,
                date,
                amount,
            } => books.add_invoice(partner, date, amount),
        });
        Ok(json!(ids.collect::<Result<Vec<i64>, _>>()?))
    }

    fn new_record(&self, books: &Books, vals: &Value) -> Result<New, OdooError> {
        let text = |name: &str| vals[name].as_str().unwrap_or_default().to_owned();
        if self.model == Model::Partner {
            return Ok(New::Partner(text("name")));
        }
        if self.model != Model::Journal {
            return new_invoice(books, vals);
        }
        if text("type") != "bank" {
            return Err(OdooError::value(
                "the pretend Odoo makes journals of type bank only",
            ));
        }
        Ok(New::Journal {
            name: text("name"),
            code: text("code"),
        })
    }
}

/// A draft customer invoice without taxes.
fn new_invoice(books: &Books, vals: &Value) -> Result<New, OdooError> {
    let partner = vals["partner_id"]
        .as_i64()
        .filter(|id| books.exists(Model::Partner, *id));
    let (Some(partner), Some("out_invoice")) = (partner, vals["move_type"].as_str()) else {
        return Err(OdooError::value(
            "the pretend Odoo makes invoices of customers only",
        ));
    };
    let currency = if vals["currency_id"].is_null() {
        books.currency
    } else {
        vals["currency_id"]
            .as_i64()
            .filter(|id| books.currencies.get(*id).is_some_and(|currency| currency.active))
            .ok_or_else(|| OdooError::value("the pretend Odoo makes invoices in active currencies only"))?
    };
    let mut minor = 0;
    for command in vals["invoice_line_ids"].as_array().into_iter().flatten() {
        let line = &command[2];
        let taxes = line["tax_ids"][0][2].as_array().is_some_and(Vec::is_empty);
        let price = books.minor(&line["price_unit"].to_string(), currency);
        let (Some(quantity), Some(price), true) = (line["quantity"].as_i64(), price, taxes) else {
            return Err(OdooError::value(
                "the pretend Odoo knows whole quantities, whole minor units and no taxes",
            ));
        };
        minor += quantity * price;
    }
    Ok(New::Invoice {
        partner,
        date: day(vals["invoice_date"].as_str().unwrap_or_default())?,
        amount: (minor, currency),
    })
}
