//! Customers, as far as payments need them.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata, merge};
use super::lists::Page;
use super::search::{self, Searchable};
use super::state::{Row, State, new_id, now, token};

/// Somebody who pays.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    id: String,
    created: i64,
    invoice_prefix: String,
    name: Option<String>,
    pub(crate) email: Option<String>,
    phone: Option<String>,
    description: Option<String>,
    default_payment_method: Option<String>,
    metadata: Metadata,
    /// Stripe remembers that there was such a customer, and nothing else.
    deleted: bool,
}

impl Row for Customer {
    const KIND: &'static str = "customer";
    const PARAM: &'static str = "id";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        if self.deleted {
            return json!({ "id": self.id, "object": "customer", "deleted": true });
        }
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
                "default_payment_method": self.default_payment_method,
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

impl Searchable for Customer {
    fn created(&self) -> i64 {
        self.created
    }

    fn has(&self, field: &str, key: Option<&str>, value: &str) -> bool {
        !self.deleted
            && match (field, key) {
                ("metadata", Some(key)) => self.metadata.get(key).is_some_and(|found| found == value),
                ("email", None) => self.email.as_deref() == Some(value),
                ("name", None) => self.name.as_deref() == Some(value),
                ("phone", None) => self.phone.as_deref() == Some(value),
                _ => false,
            }
    }
}

impl Customer {
    /// Somebody of whom nothing is known yet.
    pub(crate) fn new() -> Self {
        Self {
            id: format!("cus_{}", token()),
            created: now(),
            invoice_prefix: new_id("inv").to_uppercase().chars().rev().take(8).collect(),
            name: None,
            email: None,
            phone: None,
            description: None,
            default_payment_method: None,
            metadata: Metadata::new(),
            deleted: false,
        }
    }

    /// Takes what a create or an update may set.
    fn set(&mut self, fields: &mut Fields) -> Checked<()> {
        for (name, target) in [
            ("name", &mut self.name),
            ("email", &mut self.email),
            ("phone", &mut self.phone),
            ("description", &mut self.description),
        ] {
            if let Some(text) = fields.text(name)? {
                *target = Some(text).filter(|text| !text.is_empty());
            }
        }
        if let Some(update) = fields.metadata()? {
            merge(&mut self.metadata, update);
        }
        if let Some(mut settings) = fields.section("invoice_settings")? {
            if let Some(method) = settings.text("default_payment_method")? {
                self.default_payment_method = Some(method).filter(|method| !method.is_empty());
            }
            settings.finish()?;
        }
        fields.ignore(&["address", "shipping", "preferred_locales", "tax_exempt"]);
        Ok(())
    }
}

impl State {
    /// The customer that a path names, unless it was deleted.
    pub(crate) fn get_customer(&self, id: &str) -> Checked<&Customer> {
        let found = self.customers.get(id)?;
        if found.deleted {
            return Err(ApiError::missing(Customer::KIND, id, Customer::PARAM));
        }
        Ok(found)
    }

    /// Fails as Stripe does for a parameter that names no customer.
    pub(crate) fn check_customer(&self, id: &str) -> Checked<()> {
        match self.customers.find(id).filter(|customer| !customer.deleted) {
            Some(_) => Ok(()),
            None => Err(ApiError::missing_param(Customer::KIND, id, "customer")),
        }
    }

    /// Enters a new customer and tells of them. Returns their id.
    pub(crate) fn add_customer(&mut self, customer: Customer) -> String {
        let id = customer.id.clone();
        self.emit("customer.created", &customer.view(), None);
        self.customers.insert(customer);
        id
    }

    /// A method that was taken from a customer is not their default any more.
    pub(crate) fn forget_default(&mut self, customer: &str, method: &str) {
        let found = self.customers.find(customer).cloned();
        if let Some(mut changed) = found
            && changed.default_payment_method.as_deref() == Some(method)
        {
            changed.default_payment_method = None;
            self.change_customer(changed);
        }
    }

    /// Replaces a customer, and tells what was different before.
    fn change_customer(&mut self, changed: Customer) {
        let view = changed.view();
        let Some(customer) = self.customers.find_mut(&changed.id) else {
            return;
        };
        let before = customer.view();
        *customer = changed;
        let differences = differences(&before, &view);
        if differences.as_object().is_some_and(|fields| !fields.is_empty()) {
            self.emit("customer.updated", &view, Some(differences));
        }
    }

    fn check_default(&self, customer: &Customer) -> Checked<()> {
        let Some(method) = &customer.default_payment_method else {
            return Ok(());
        };
        let found = self.payment_methods.find(method);
        if found.is_some_and(|method| method.customer.as_deref() == Some(&customer.id)) {
            return Ok(());
        }
        let message = format!(
            "The customer does not have a payment method with the ID {method}. The payment method must be attached \
             to the customer."
        );
        let error = ApiError::invalid(message).code("resource_missing");
        Err(error.param("invoice_settings[default_payment_method]"))
    }
}

/// The fields of `before` that `after` has otherwise.
fn differences(before: &Value, after: &Value) -> Value {
    let fields = before.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| after.get(name.as_str()) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// `POST /v1/customers`; a `payment_method` is attached at once.
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let mut customer = Customer::new();
    customer.set(&mut fields)?;
    let method = fields.text("payment_method")?;
    fields.finish()?;
    let id = customer.id.clone();
    let kept = method
        .map(|method| state.use_payment_method(&method, Some(&id)))
        .transpose()?;
    if customer.default_payment_method != kept {
        state.check_default(&customer)?;
    }
    state.add_customer(customer);
    if let Some(method) = kept {
        state.keep_with(&method, &id);
    }
    Ok(state.customers.get(&id)?.view())
}

/// `GET /v1/customers/{id}`; of a deleted one only that it was deleted.
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.customers.get(id)?.view())
}

/// `POST /v1/customers/{id}`
pub(crate) fn update(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let mut customer = state.get_customer(id)?.clone();
    customer.set(&mut fields)?;
    fields.finish()?;
    state.check_default(&customer)?;
    let view = customer.view();
    state.change_customer(customer);
    Ok(view)
}

/// `DELETE /v1/customers/{id}`
pub(crate) fn delete(state: &mut State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    let view = state.get_customer(id)?.view();
    let methods = state.payment_methods.rows().iter();
    let kept: Vec<_> = methods
        .filter(|method| method.customer.as_deref() == Some(id))
        .map(|method| method.id().to_owned())
        .collect();
    state.emit("customer.deleted", &view, None);
    let customer = state.customers.get_mut(id)?;
    customer.deleted = true;
    customer.default_payment_method = None;
    let view = customer.view();
    for method in kept {
        state.detach(&method);
    }
    Ok(view)
}

/// `GET /v1/customers`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let page = Page::take(&mut fields)?;
    let created = fields.times("created")?;
    let email = fields.text("email")?;
    fields.finish()?;
    page.of(&state.customers, "/v1/customers", |customer| {
        !customer.deleted
            && created.contains(customer.created)
            && (email.is_none() || customer.email == email)
    })
}

/// `GET /v1/customers/search`
pub(crate) fn search(state: &State, fields: Fields) -> Checked<Value> {
    search::search(&state.settings, &state.customers, "/v1/customers/search", fields)
}
