//! Creating sessions.

use serde_json::Value;

use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields};
use super::super::form::{Param, Params};
use super::super::state::{Row, State, now, token};
use super::super::{payment_intents, setup_intents};
use super::{Mode, Session, Status};

const MINUTE_SECS: i64 = 60;
const DAY_SECS: i64 = 24 * 60 * MINUTE_SECS;

/// Parameters that Stripe takes and that change nothing that the pretend one shows.
const WITHOUT_EFFECT: [&str; 8] = [
    "allow_promotion_codes",
    "billing_address_collection",
    "custom_text",
    "payment_method_options",
    "phone_number_collection",
    "saved_payment_method_options",
    "submit_type",
    "ui_mode",
];

/// What `payment_intent_data` may set.
const PAYMENT_DATA: [&str; 8] = [
    "capture_method",
    "description",
    "metadata",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
];

/// What `setup_intent_data` may set.
const SETUP_DATA: [&str; 2] = ["description", "metadata"];

/// `POST /v1/checkout/sessions`
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let mode = fields
        .choice("mode", &[Mode::Payment.word(), Mode::Setup.word()])?
        .ok_or_else(|| fields.absent("mode"))?;
    let mut session = start(state, &mut fields)?;
    if mode == Mode::Setup.word() {
        session.mode = Mode::Setup;
        session.currency = fields.text("currency")?;
        session.intent = intent_data(&mut fields, "setup_intent_data", &SETUP_DATA)?;
    } else {
        let (amount, currency) = total(&mut fields)?;
        session.intent = intent_data(&mut fields, "payment_intent_data", &PAYMENT_DATA)?;
        put(&mut session.intent, "amount", &amount.to_string());
        put(&mut session.intent, "currency", &currency);
        session.amount = Some(amount);
        session.currency = Some(currency);
    }
    let mut named = fields.list("payment_method_types")?;
    named.extend(fields.list("allowed_payment_method_types")?);
    fields.ignore(&WITHOUT_EFFECT);
    fields.finish()?;
    if !named.is_empty() {
        let numbered = named.into_iter().enumerate();
        let list = numbered
            .map(|(index, name)| (index.to_string(), Param::Text(name)))
            .collect();
        session
            .intent
            .insert("payment_method_types".to_owned(), Param::Map(list));
    }
    if let Some(customer) = &session.customer {
        put(&mut session.intent, "customer", customer);
    }
    put(&mut session.intent, "return_url", &session.url);
    // Made and thrown away: what the intent would refuse is refused now, not when the customer pays.
    let given = session.intent.clone();
    session.method_types = match session.mode {
        Mode::Payment => payment_intents::for_session(state, given)?.method_types.names,
        Mode::Setup => setup_intents::for_session(state, given)?.method_types.names,
    };
    let view = session.view();
    state.sessions.insert(session);
    Ok(view)
}

fn start(state: &State, fields: &mut Fields) -> Checked<Session> {
    let id = format!("cs_test_a1{}", token());
    let created = now();
    let customer = fields.text("customer")?;
    let customer_email = fields.text("customer_email")?;
    let creation = fields.choice("customer_creation", &["always", "if_required"])?;
    if let Some(customer) = &customer {
        state.check_customer(customer)?;
        for (name, given) in [
            ("customer_email", customer_email.is_some()),
            ("customer_creation", creation.is_some()),
        ] {
            if given {
                let message = format!("You may only specify one of these parameters: customer, {name}.");
                return Err(ApiError::invalid(message).param(name));
            }
        }
    }
    let success_url = address(fields, "success_url")?.ok_or_else(|| fields.absent("success_url"))?;
    Ok(Session {
        url: format!("{}/c/pay/{id}", state.settings.base_url()),
        id,
        created,
        expires_at: expiry(fields, created)?,
        mode: Mode::Payment,
        status: Status::Open,
        paid: false,
        amount: None,
        currency: None,
        cancel_url: address(fields, "cancel_url")?,
        success_url,
        client_reference_id: reference(fields)?,
        customer_creation: creation.or_else(|| customer.is_none().then_some("if_required")),
        customer,
        customer_details: None,
        customer_email,
        locale: fields.text("locale")?,
        metadata: fields.metadata()?.unwrap_or_default(),
        method_types: Vec::new(),
        intent: Params::new(),
        payment_intent: None,
        setup_intent: None,
    })
}

fn address(fields: &mut Fields, name: &str) -> Checked<Option<String>> {
    match fields.text(name)? {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => Ok(Some(url)),
        Some(_) => Err(ApiError::invalid("Not a valid URL")
            .code("url_invalid")
            .param(name)),
        None => Ok(None),
    }
}

fn reference(fields: &mut Fields) -> Checked<Option<String>> {
    let name = "client_reference_id";
    match fields.text(name)? {
        Some(text) if text.chars().count() > 200 => {
            let message = format!("Invalid string: {name} has up to 200 characters");
            Err(ApiError::invalid(message).param(name))
        }
        text => Ok(text),
    }
}

fn expiry(fields: &mut Fields, created: i64) -> Checked<i64> {
    let expires_at = fields.integer("expires_at")?.unwrap_or(created + DAY_SECS);
    let refused = |bound: &str| {
        let message = format!("The `expires_at` timestamp must be {bound} from Checkout Session creation.");
        Err(ApiError::invalid(message).param("expires_at"))
    };
    match expires_at - created {
        ..1_800 => refused("at least 30 minutes"),
        1_800..=DAY_SECS => Ok(expires_at),
        _ => refused("less than 24 hours"),
    }
}

/// What the items of a payment cost together, and in which currency.
fn total(fields: &mut Fields) -> Checked<(i64, String)> {
    let items = fields.sections("line_items")?;
    let mut sum: Option<(i64, String)> = None;
    for mut item in items {
        let quantity = item
            .positive("quantity")?
            .ok_or_else(|| item.absent("quantity"))?;
        let mut price = item
            .section("price_data")?
            .ok_or_else(|| item.absent("price_data"))?;
        item.finish()?;
        let currency = payment_intents::currency(&mut price)?;
        let unit = price.required_integer("unit_amount")?;
        let mut product = price
            .section("product_data")?
            .ok_or_else(|| price.absent("product_data"))?;
        product.required("name")?;
        product.ignore(&["description", "images", "metadata", "tax_code"]);
        product.finish()?;
        price.ignore(&["tax_behavior"]);
        price.finish()?;
        let amount = unit.checked_mul(quantity).filter(|_| unit >= 0);
        let (before, agreed) = sum.unwrap_or_else(|| (0, currency.clone()));
        if agreed != currency {
            let message = "All prices on a Checkout Session must use the same currency.";
            return Err(ApiError::invalid(message).param("line_items"));
        }
        let amount = amount
            .and_then(|amount| before.checked_add(amount))
            .ok_or_else(|| {
                let error = ApiError::invalid("Invalid integer");
                error.code("parameter_invalid_integer").param("line_items")
            })?;
        sum = Some((amount, currency));
    }
    sum.ok_or_else(|| fields.absent("line_items"))
}

/// What the merchant says of the intent; `name` holds nothing but `known`.
fn intent_data(fields: &mut Fields, name: &str, known: &[&str]) -> Checked<Params> {
    let Some(mut data) = fields.section(name)? else {
        return Ok(Params::new());
    };
    let given = data.clone().into_params();
    data.ignore(known);
    data.finish()?;
    Ok(given)
}

fn put(params: &mut Params, name: &str, text: &str) {
    params.insert(name.to_owned(), Param::Text(text.to_owned()));
}
