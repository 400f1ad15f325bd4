//! Customers' documents: invoices, the credit notes that take them back, and what their lines say.

use serde_json::{Value, json};
use time::Date;

use super::books::{Books, Entry, Item, Source};
use super::entries::Side;
use super::error::OdooError;
use super::model::Model;

/// What an item says besides its amounts.
#[derive(Clone, Debug, Default)]
pub(super) struct Details {
    /// Odoo's `display_type`: `product` where nothing else is said.
    pub(super) display: Option<&'static str>,
    /// The taxes that are on it.
    pub(super) taxes: Vec<i64>,
    /// The share of a tax that it is.
    pub(super) share: Option<i64>,
    pub(super) tags: Vec<i64>,
    /// What the tax that it is was worked out on, in the company's currency.
    pub(super) base_minor: i64,
    pub(super) quantity: i64,
    /// Of one, in the document's currency.
    pub(super) price_minor: i64,
}

/// One line of a document.
#[derive(Clone, Debug)]
pub(super) struct DocumentLine {
    pub(super) label: String,
    pub(super) account: i64,
    pub(super) quantity: i64,
    pub(super) price_minor: i64,
    pub(super) taxes: Vec<i64>,
}

/// A document that is about to be written, as a draft.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) source: Source,
    pub(super) journal: i64,
    pub(super) partner: i64,
    pub(super) date: Date,
    pub(super) reference: Option<String>,
    pub(super) currency: i64,
    pub(super) lines: Vec<DocumentLine>,
}

impl Entry {
    /// Odoo's `move_type`.
    pub(super) const fn move_type(&self) -> &'static str {
        match self.source {
            Source::Invoice => "out_invoice",
            Source::CreditNote(_) => "out_refund",
            Source::General | Source::Payment(_) | Source::StatementLine(_) => "entry",
        }
    }
}

impl Books {
    /// A draft invoice without taxes.
    pub(super) fn add_invoice(
        &mut self,
        partner: i64,
        date: Date,
        (minor, currency): (i64, i64),
    ) -> Result<i64, OdooError> {
        let line = DocumentLine {
            label: String::new(),
            account: self.account("400000")?,
            quantity: 1,
            price_minor: minor,
            taxes: Vec::new(),
        };
        let invoice = Document {
            source: Source::Invoice,
            journal: self.journal("INV")?,
            partner,
            date,
            reference: None,
            currency,
            lines: vec![line],
        };
        self.add_document(invoice)
    }

    /// A draft of a document: its lines, their taxes, and what the customer owes or is owed.
    pub(super) fn add_document(&mut self, document: Document) -> Result<i64, OdooError> {
        let Document {
            source,
            journal,
            partner,
            date,
            reference,
            currency,
            lines,
        } = document;
        let is_refund = matches!(source, Source::CreditNote(_));
        let sign = if is_refund { 1 } else { -1 };
        let side = |account, label: &str, minor: i64, details| Side {
            account,
            partner: Some(partner),
            label: label.to_owned(),
            currency,
            minor,
            worth_minor: None,
            details,
        };
        let (mut sides, mut taxes): (Vec<Side>, Vec<Side>) = (Vec::new(), Vec::new());
        for line in lines {
            let (base, added) = self.taxed(line.quantity * line.price_minor, &line.taxes);
            for (tax, minor) in added {
                let share = self.share(tax, is_refund, true);
                let (share, account) = share
                    .map(|(id, share)| (id, share.account.unwrap_or(line.account)))
                    .unwrap_or_default();
                match taxes.iter_mut().find(|side| side.details.share == Some(share)) {
                    Some(side) => side.minor += sign * minor,
                    None if minor == 0 => {}
                    None => {
                        let details = Details {
                            display: Some("tax"),
                            share: Some(share),
                            ..Details::default()
                        };
                        taxes.push(side(account, "", sign * minor, details));
                    }
                }
            }
            let details = Details {
                taxes: line.taxes,
                quantity: line.quantity,
                price_minor: line.price_minor,
                ..Details::default()
            };
            sides.push(side(line.account, &line.label, sign * base, details));
        }
        sides.extend(taxes);
        let total: i64 = sides.iter().map(|side| side.minor).sum();
        let details = Details {
            display: Some("payment_term"),
            ..Details::default()
        };
        sides.push(side(self.account("121000")?, "", -total, details));
        let entry = self.add_entry(journal, date, reference, Some(partner), (currency, source));
        self.add_items(entry, sides);
        Ok(entry)
    }

    /// Sets the tax of a draft by hand: what the customer owes follows.
    pub(super) fn set_tax(&mut self, id: i64, minor: i64) -> Result<(), OdooError> {
        let refused = || OdooError::value("the pretend Odoo lets only the tax of a draft be set");
        let item = self.items.get(id).ok_or_else(refused)?;
        let (entry, change) = (item.entry, minor - item.minor);
        if change == 0 {
            return Ok(());
        }
        if self.is_posted(entry) || item.details.display != Some("tax") {
            return Err(refused());
        }
        let term = self
            .items_of(entry)
            .find(|(_, item)| item.details.display == Some("payment_term"))
            .map(|(id, _)| id)
            .ok_or_else(refused)?;
        for (id, change) in [(id, change), (term, -change)] {
            let Some(item) = self.items.get(id) else { continue };
            let (minor, currency) = (item.minor + change, item.currency);
            let worth_minor = self.in_company_currency(minor, currency);
            if let Some(item) = self.items.get_mut(id) {
                item.minor = minor;
                item.residual_minor = minor;
                item.worth_minor = worth_minor;
            }
        }
        Ok(())
    }

    /// A draft customer invoice, as `create` is told it.
    pub(super) fn create_invoice(&mut self, vals: &Value, date: Date) -> Result<i64, OdooError> {
        let partner = vals["partner_id"]
            .as_i64()
            .filter(|id| self.exists(Model::Partner, *id));
        let (Some(partner), Some("out_invoice")) = (partner, vals["move_type"].as_str()) else {
            return Err(OdooError::value(
                "the pretend Odoo makes invoices of customers only",
            ));
        };
        let currency = if vals["currency_id"].is_null() {
            self.currency
        } else {
            vals["currency_id"]
                .as_i64()
                .filter(|id| self.currencies.get(*id).is_some_and(|currency| currency.active))
                .ok_or_else(|| {
                    OdooError::value("the pretend Odoo makes invoices in active currencies only")
                })?
        };
        let account = self.account("400000")?;
        let mut lines = Vec::new();
        for command in vals["invoice_line_ids"].as_array().into_iter().flatten() {
            let line = &command[2];
            let taxes = line["tax_ids"][0][2].as_array().map(|taxes| {
                let ids = taxes.iter().map(Value::as_i64);
                ids.map(|id| id.filter(|id| self.exists(Model::Tax, *id)))
                    .collect::<Option<Vec<i64>>>()
            });
            let price = self.minor(&line["price_unit"].to_string(), currency);
            let (Some(quantity), Some(price_minor), Some(Some(taxes))) =
                (line["quantity"].as_i64(), price, taxes)
            else {
                return Err(OdooError::value(
                    "the pretend Odoo knows whole quantities, whole minor units and taxes that it has",
                ));
            };
            lines.push(DocumentLine {
                label: line["name"].as_str().unwrap_or_default().to_owned(),
                account,
                quantity,
                price_minor,
                taxes,
            });
        }
        let invoice = Document {
            source: Source::Invoice,
            journal: self.journal("INV")?,
            partner,
            date,
            reference: None,
            currency,
            lines,
        };
        self.add_document(invoice)
    }

    /// A field that says what an item is besides its amounts.
    pub(super) fn detail_field(&self, item: &Item, field: &str) -> Option<Value> {
        let details = &item.details;
        let tax = details
            .share
            .and_then(|id| self.shares.get(id))
            .map(|share| share.tax);
        let amounts = || {
            if details.quantity == 0 {
                return (0, 0);
            }
            let (base, added) = self.taxed(details.quantity * details.price_minor, &details.taxes);
            (base, base + added.iter().map(|(_, minor)| minor).sum::<i64>())
        };
        Some(match field {
            "display_type" => json!(details.display.unwrap_or("product")),
            "tax_ids" => json!(details.taxes),
            "tax_line_id" => self.tax_link(tax),
            "tax_repartition_line_id" => details.share.map_or(json!(false), |id| json!([id, ""])),
            "tax_tag_ids" => json!(details.tags),
            "tax_base_amount" => self.money(details.base_minor, self.currency),
            "product_id" | "product_uom_id" | "analytic_distribution" => json!(false),
            "quantity" => json!(details.quantity),
            "discount" => json!(0.0),
            "price_unit" => self.money(details.price_minor, item.currency),
            "price_subtotal" => self.money(amounts().0, item.currency),
            "price_total" => self.money(amounts().1, item.currency),
            _ => return None,
        })
    }
}
