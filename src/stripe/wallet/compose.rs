//! From what is to be kept to Stripe's request for it.

use std::collections::HashMap;

use stripe_core::customer::{CreateCustomer, UpdateCustomer};
use stripe_core::setup_intent::{
    CreateSetupIntent, CreateSetupIntentAutomaticPaymentMethods,
    CreateSetupIntentAutomaticPaymentMethodsAllowRedirects as AllowRedirects, CreateSetupIntentMandateData,
    CreateSetupIntentMandateDataCustomerAcceptance as CustomerAcceptance,
    CreateSetupIntentMandateDataCustomerAcceptanceType as AcceptanceType, CreateSetupIntentUsage,
    OnlineParam,
};
use stripe_shared::SetupIntentAllowedPaymentMethodTypes;

use super::super::objects::{CUSTOMER, SETUP};
use crate::domain::customer::Customer;
use crate::domain::setup::{Acceptance, Usage};
use crate::provider::{NewSetup, ProviderError};

/// What is read together with a setup.
pub(super) const SAVED: [&str; 2] = ["payment_method", "mandate"];

pub(super) fn create_customer(customer: &Customer) -> CreateCustomer {
    let mut create = CreateCustomer::new().metadata(metadata(customer));
    if let Some(name) = &customer.person.name {
        create = create.name(name);
    }
    if let Some(email) = &customer.person.email {
        create = create.email(email);
    }
    if let Some(phone) = &customer.person.phone {
        create = create.phone(phone);
    }
    create
}

pub(super) fn update_customer(id: &str, customer: &Customer) -> UpdateCustomer {
    let mut update = UpdateCustomer::new(id).metadata(metadata(customer));
    if let Some(name) = &customer.person.name {
        update = update.name(name);
    }
    if let Some(email) = &customer.person.email {
        update = update.email(email);
    }
    if let Some(phone) = &customer.person.phone {
        update = update.phone(phone);
    }
    update
}

fn metadata(customer: &Customer) -> HashMap<String, String> {
    let theirs = customer.metadata.iter();
    theirs
        .map(|(name, value)| (name.clone(), value.clone()))
        .chain([(CUSTOMER.to_owned(), customer.id.to_string())])
        .collect()
}

pub(super) fn start_setup(new: NewSetup<'_>) -> CreateSetupIntent {
    let NewSetup {
        setup,
        customer_reference,
        terms,
    } = new;
    let mut create = CreateSetupIntent::new()
        .customer(customer_reference)
        .usage(match setup.usage {
            Usage::OffSession => CreateSetupIntentUsage::OffSession,
            Usage::OnSession => CreateSetupIntentUsage::OnSession,
        })
        .metadata(HashMap::from([
            (SETUP.to_owned(), setup.id.to_string()),
            (CUSTOMER.to_owned(), setup.customer_id.to_string()),
        ]))
        .expand(SAVED.map(str::to_owned));
    create = if terms.payment_method_types.is_empty() {
        let mut methods = CreateSetupIntentAutomaticPaymentMethods::new(true);
        if terms.return_url.is_none() {
            methods.allow_redirects = Some(AllowRedirects::Never);
        }
        create.automatic_payment_methods(methods)
    } else {
        let kinds = terms.payment_method_types.iter().map(|kind| kind_of(kind));
        create.allowed_payment_method_types(kinds.collect::<Vec<_>>())
    };
    let Some(method) = &terms.payment_method else {
        return create;
    };
    create = create.payment_method(method).confirm(true);
    if let Some(url) = &terms.return_url {
        create = create.return_url(url);
    }
    match &terms.mandate {
        Some(acceptance) => create.mandate_data(mandate_data(acceptance)),
        None => create,
    }
}

fn kind_of(word: &str) -> SetupIntentAllowedPaymentMethodTypes {
    let Ok(kind) = word.parse();
    kind
}

fn mandate_data(acceptance: &Acceptance) -> CreateSetupIntentMandateData {
    let mut accepted = CustomerAcceptance::new(AcceptanceType::Online);
    accepted.accepted_at = Some(acceptance.accepted_at.unix_timestamp());
    accepted.online = Some(OnlineParam::new(
        acceptance.ip_address.to_string(),
        acceptance.user_agent.clone(),
    ));
    CreateSetupIntentMandateData::new(accepted)
}

/// Takes a text for an id: it becomes a part of a path, so it must not be able to leave it.
pub(super) fn part_of_path(reference: &str) -> Result<&str, ProviderError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !reference.is_empty() && reference.bytes().all(fits) {
        return Ok(reference);
    }
    Err(ProviderError::Invalid {
        code: "resource_missing".to_owned(),
        message: "not an id of the provider's".to_owned(),
        param: Some("reference".to_owned()),
    })
}
