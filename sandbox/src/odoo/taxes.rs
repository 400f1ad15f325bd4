//! Taxes: what they are, how they are distributed, and what they come to.

use serde_json::{Value, json};

use super::books::Books;
use super::error::OdooError;

/// A tax in per cent (`account.tax`).
#[derive(Debug)]
pub(super) struct Tax {
    pub(super) name: String,
    /// Odoo's `type_tax_use`.
    pub(super) kind: String,
    /// Whole per cent.
    pub(super) percent: i64,
    /// Whether prices hold it already.
    pub(super) is_included: bool,
    pub(super) active: bool,
}

/// Where the base or the tax goes on documents of one type (`account.tax.repartition.line`).
#[derive(Debug)]
pub(super) struct Share {
    pub(super) tax: i64,
    pub(super) is_refund: bool,
    pub(super) is_tax: bool,
    /// None where the tax goes where its base does.
    pub(super) account: Option<i64>,
    pub(super) tags: Vec<i64>,
}

/// Half away from zero, as Odoo rounds.
fn divide(over: i64, under: i64) -> i64 {
    let rounded = (2 * over.abs() + under) / (2 * under);
    if over < 0 { -rounded } else { rounded }
}

impl Books {
    /// What of a price is without taxes, and what each of them adds.
    pub(super) fn taxed(&self, price: i64, taxes: &[i64]) -> (i64, Vec<(i64, i64)>) {
        let found = || taxes.iter().filter_map(|id| Some((*id, self.taxes.get(*id)?)));
        let included: i64 = found()
            .filter(|(_, tax)| tax.is_included)
            .map(|(_, tax)| tax.percent)
            .sum();
        let base = divide(100 * price, 100 + included);
        let mut added: Vec<(i64, i64)> = found()
            .map(|(id, tax)| (id, divide(base * tax.percent, 100)))
            .collect();
        // What is included adds up to the price to the minor unit.
        if let ([(_, one)], true) = (&mut added[..], included > 0) {
            *one = price - base;
        }
        (base, added)
    }

    /// The share of a tax on documents of one type: of the tax, or of its base.
    pub(super) fn share(&self, tax: i64, is_refund: bool, is_tax: bool) -> Option<(i64, &Share)> {
        self.shares
            .iter()
            .find(|(_, share)| share.tax == tax && share.is_refund == is_refund && share.is_tax == is_tax)
    }

    /// Makes a tax as Odoo does: where nothing is said of its distribution, all of it goes where its base does.
    pub(super) fn create_tax(&mut self, vals: &Value) -> Result<i64, OdooError> {
        let unknown = || OdooError::value("the pretend Odoo makes taxes of whole per cent only");
        let name = vals["name"].as_str().ok_or_else(unknown)?.to_owned();
        let kind = vals["type_tax_use"].as_str().unwrap_or("sale").to_owned();
        if self
            .taxes
            .iter()
            .any(|(_, tax)| tax.name == name && tax.kind == kind)
        {
            return Err(OdooError::user("Tax names must be unique!"));
        }
        let tax = self.taxes.add(Tax {
            name,
            kind,
            percent: vals["amount"].as_i64().ok_or_else(unknown)?,
            is_included: vals["price_include_override"] == "tax_included",
            active: true,
        });
        for (is_refund, field) in [
            (false, "invoice_repartition_line_ids"),
            (true, "refund_repartition_line_ids"),
        ] {
            let said = vals[field].as_array().cloned().unwrap_or_default();
            let usual = [
                json!({ "repartition_type": "base" }),
                json!({ "repartition_type": "tax" }),
            ];
            let lines: Vec<Value> = if said.is_empty() {
                usual.to_vec()
            } else {
                said.iter().map(|command| command[2].clone()).collect()
            };
            for line in lines {
                let tags = line["tag_ids"][0][2].as_array().into_iter().flatten();
                self.shares.add(Share {
                    tax,
                    is_refund,
                    is_tax: line["repartition_type"] == "tax",
                    account: line["account_id"].as_i64(),
                    tags: tags.filter_map(Value::as_i64).collect(),
                });
            }
        }
        Ok(tax)
    }

    pub(super) fn tag_field(&self, id: i64, field: &str) -> Option<Value> {
        let name = self.tags.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "name" => json!(name),
            "applicability" => json!("taxes"),
            _ => return None,
        })
    }

    pub(super) fn tax_field(&self, id: i64, field: &str) -> Option<Value> {
        let tax = self.taxes.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "name" => json!(tax.name),
            "type_tax_use" => json!(tax.kind),
            "amount_type" => json!("percent"),
            "amount" => json!(tax.percent),
            "price_include" => json!(tax.is_included),
            "tax_exigibility" => json!("on_invoice"),
            "active" => json!(tax.active),
            _ => return None,
        })
    }

    pub(super) fn share_field(&self, id: i64, field: &str) -> Option<Value> {
        let share = self.shares.get(id)?;
        Some(match field {
            "id" => Value::Null,
            "tax_id" => self.tax_link(Some(share.tax)),
            "document_type" => json!(if share.is_refund { "refund" } else { "invoice" }),
            "repartition_type" => json!(if share.is_tax { "tax" } else { "base" }),
            "factor_percent" => json!(100.0),
            "account_id" => self.account_link(share.account),
            "tag_ids" => json!(share.tags),
            _ => return None,
        })
    }

    pub(super) fn tax_link(&self, id: Option<i64>) -> Value {
        let found = id.and_then(|id| Some((id, self.taxes.get(id)?)));
        found.map_or(json!(false), |(id, tax)| json!([id, tax.name]))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn a_tax_is_rounded_on_its_base_and_an_included_one_leaves_the_price_as_it_is() {
        let mut books = Books::new(String::new(), "EUR", &[]);
        let added = books.create_tax(&json!({ "name": "21%", "amount": 21 })).unwrap();
        let said = json!({ "name": "9%", "amount": 9, "price_include_override": "tax_included" });
        let included = books.create_tax(&said).unwrap();
        assert_eq!(books.taxed(250, &[added]), (250, vec![(added, 53)]));
        assert_eq!(books.taxed(500, &[included]), (459, vec![(included, 41)]));
        assert_eq!(books.taxed(500, &[]), (500, Vec::new()));
    }
}
