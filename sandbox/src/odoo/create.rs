//! Making records by `create`: customers, journals, taxes and documents.

use serde_json::{Value, json};

use super::books::Books;
use super::error::OdooError;
use super::methods::{Call, day};
use super::model::Model;

impl Call {
    /// Makes records, one after the other.
    pub(super) fn create(&self, books: &mut Books) -> Result<Value, OdooError> {
        if !self.may_write() {
            return Err(OdooError::access(self.forbidden()));
        }
        let all = self.needed("vals_list")?.as_array();
        let ids = all.into_iter().flatten().map(|vals| self.create_one(books, vals));
        Ok(json!(ids.collect::<Result<Vec<i64>, _>>()?))
    }

    fn create_one(&self, books: &mut Books, vals: &Value) -> Result<i64, OdooError> {
        let text = |name: &str| vals[name].as_str().unwrap_or_default().to_owned();
        if self.model == Model::Partner {
            return Ok(books.partners.add(text("name")));
        }
        if self.model == Model::Tax {
            return books.create_tax(vals);
        }
        if self.model != Model::Journal {
            let date = day(vals["invoice_date"].as_str().unwrap_or_default())?;
            return books.create_invoice(vals, date);
        }
        if text("type") != "bank" {
            return Err(OdooError::value(
                "the pretend Odoo makes journals of type bank only",
            ));
        }
        Ok(books.open_bank_journal(&text("name"), &text("code"), None))
    }
}
