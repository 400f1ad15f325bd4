//! Customers, as far as payments need them.

use serde_json::{Value, json};

use super::fields::{Checked, Fields, Metadata, merge};
use super::lists::Page;
use super::state::{Row, State, new_id, now, token};

/// Somebody who pays.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    id: String,
    created: i64,
    invoice_prefix: String,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    description: Option<String>,
    metadata: Metadata,
}

impl Row for Customer {
    const KIND: &'static str = "customer";
    const PARAM: &'static str = "id";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "customer",
            "address": null,
            "balance": 0,
            "created": self.created,
            "currency": null,
            "default_source": null,
            "delinquent": false,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_prefix": self.invoice_prefix,
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": null,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": 1,
            "phone": self.phone,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }
}

impl Customer {
    /// Takes what a create or an update may set.
    fn set(&mut self, mut fields: Fields) -> Checked<()> {
        let mut changed = self.clone();
        for (name, target) in [
            ("name", &mut changed.name),
            ("email", &mut changed.email),
            ("phone", &mut changed.phone),
            ("description", &mut changed.description),
        ] {
            if let Some(text) = fields.text(name)? {
                *target = Some(text).filter(|text| !text.is_empty());
            }
        }
        if let Some(update) = fields.metadata()? {
            merge(&mut changed.metadata, update);
        }
        fields.ignore(&["address", "shipping", "preferred_locales", "tax_exempt"]);
        fields.finish()?;
        *self = changed;
        Ok(())
    }
}

/// `POST /v1/customers`
pub(crate) fn create(state: &mut State, fields: Fields) -> Checked<Value> {
    let mut customer = Customer {
        id: format!("cus_{}", token()),
        created: now(),
        invoice_prefix: new_id("inv").to_uppercase().chars().rev().take(8).collect(),
        name: None,
        email: None,
        phone: None,
        description: None,
        metadata: Metadata::new(),
    };
    customer.set(fields)?;
    let view = customer.view();
    state.emit("customer.created", &view, None);
    state.customers.insert(customer);
    Ok(view)
}

/// `GET /v1/customers/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.customers.get(id)?.view())
}

/// `POST /v1/customers/{id}`
pub(crate) fn update(state: &mut State, id: &str, fields: Fields) -> Checked<Value> {
    let customer = state.customers.get_mut(id)?;
    customer.set(fields)?;
    Ok(customer.view())
}

/// `GET /v1/customers`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let email = fields.text("email")?;
    fields.finish()?;
    page.of(&state.customers, "/v1/customers", |customer| {
        created.contains(customer.created) && (email.is_none() || customer.email == email)
    })
}
