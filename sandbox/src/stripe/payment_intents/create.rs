//! Creating and changing payment intents.

use serde_json::{Value, json};

use super::super::balance::is_three_decimal;
use super::super::cards::Rail;
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields, merge};
use super::super::form::Param;
use super::super::state::{Row, State, new_id, now, token};
use super::{Asker, CaptureMethod, MethodOptions, PaymentIntent, Status, checks, confirm};

/// Stripe's least and greatest amount, in minor units of the euro.
const AMOUNTS: std::ops::RangeInclusive<i64> = 50..=99_999_999;

/// Parameters that Stripe takes and that change nothing that the pretend one shows.
const WITHOUT_EFFECT: [&str; 3] = ["radar_options", "error_on_requires_action", "use_stripe_sdk"];

const CURRENCIES: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp \
    byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd \
    hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk \
    mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar \
    sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd \
    xof xpf yer zar zmw";

/// What comes with a create only to be passed on to the confirmation.
struct Confirmation {
    now: bool,
    off_session: bool,
}

/// `POST /v1/payment_intents`
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let (mut intent, confirmation) = parse(state, &mut fields)?;
    fields.ignore(&WITHOUT_EFFECT);
    fields.finish()?;
    intent.off_session = confirmation.off_session;
    if confirmation.now {
        if intent.payment_method.is_none() {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
            return Err(ApiError::invalid(message)
                .code("parameter_missing")
                .param("payment_method"));
        }
        confirm::check_return_url(&intent)?;
    }
    if let Some(method) = &mut intent.payment_method {
        *method = state.use_payment_method(method)?;
        intent.status = Status::RequiresConfirmation;
    }
    let id = intent.id.clone();
    state.payment_intents.insert(intent);
    state.emit_intent("payment_intent.created", &id);
    if confirmation.now {
        state.try_to_pay(&id)?;
    }
    Ok(state.payment_intents.get(&id)?.view())
}

fn parse(state: &State, fields: &mut Fields) -> Checked<(PaymentIntent, Confirmation)> {
    let currency = currency(fields)?;
    let amount = amount(fields, &currency)?;
    let confirmation = Confirmation {
        now: fields.boolean("confirm")?.unwrap_or_default(),
        off_session: fields.boolean("off_session")?.unwrap_or_default(),
    };
    let (payment_method_types, automatic_payment_methods) = methods(fields)?;
    let id = new_id("pi");
    let mut intent = PaymentIntent {
        client_secret: format!("{id}_secret_{}", token()),
        id,
        created: now(),
        amount,
        amount_capturable: 0,
        amount_received: 0,
        automatic_payment_methods,
        canceled_at: None,
        cancellation_reason: None,
        capture_method: fields
            .choice("capture_method", &CaptureMethod::WORDS)?
            .map_or(CaptureMethod::AutomaticAsync, CaptureMethod::parse),
        currency,
        customer: None,
        description: None,
        last_payment_error: None,
        latest_charge: None,
        metadata: fields.metadata()?.unwrap_or_default(),
        method_options: MethodOptions::default(),
        next_action: None,
        off_session: false,
        payment_method: None,
        payment_method_types,
        receipt_email: None,
        return_url: None,
        setup_future_usage: None,
        shipping: None,
        statement_descriptor: None,
        statement_descriptor_suffix: None,
        status: Status::RequiresPaymentMethod,
    };
    fields.choice("confirmation_method", &["automatic"])?;
    set(state, &mut intent, fields)?;
    Ok((intent, confirmation))
}

/// What creating, updating and confirming may set alike.
pub(super) fn set(state: &State, intent: &mut PaymentIntent, fields: &mut Fields) -> Checked<()> {
    let owner = intent.customer.clone();
    for (name, target) in [
        ("customer", &mut intent.customer),
        ("description", &mut intent.description),
        ("payment_method", &mut intent.payment_method),
        ("receipt_email", &mut intent.receipt_email),
        ("return_url", &mut intent.return_url),
        ("statement_descriptor", &mut intent.statement_descriptor),
        (
            "statement_descriptor_suffix",
            &mut intent.statement_descriptor_suffix,
        ),
    ] {
        if let Some(text) = fields.text(name)? {
            *target = Some(text).filter(|text| !text.is_empty());
        }
    }
    if let Some(customer) = &intent.customer {
        state.customers.check(customer, "customer")?;
    }
    if let Some(usage) = fields.choice("setup_future_usage", &["off_session", "on_session", ""])? {
        intent.setup_future_usage = Some(usage).filter(|usage| !usage.is_empty());
    }
    intent.shipping = shipping(fields)?.or(intent.shipping.take());
    intent.method_options.take(fields)?;
    checks::check(intent, owner.as_deref())
}

/// `POST /v1/payment_intents/{id}`
pub(crate) fn update(state: &mut State, id: &str, mut fields: Fields) -> Checked<Value> {
    let mut intent = state.payment_intents.get(id)?.clone();
    let metadata = fields.metadata()?;
    let description = fields.text("description")?;
    // Once it is over, only its labels may change.
    if matches!(
        intent.status,
        Status::RequiresPaymentMethod | Status::RequiresConfirmation
    ) {
        let currency = intent.currency.clone();
        if let Some(amount) = fields.positive("amount")? {
            intent.amount = checked_amount(amount, &currency)?;
        }
        set(state, &mut intent, &mut fields)?;
    }
    fields.finish()?;
    if let Some(method) = &intent.payment_method {
        intent.payment_method = Some(state.use_payment_method(method)?);
        if intent.status == Status::RequiresPaymentMethod {
            intent.status = Status::RequiresConfirmation;
        }
    }
    if let Some(text) = description {
        intent.description = Some(text).filter(|text| !text.is_empty());
    }
    if let Some(update) = metadata {
        merge(&mut intent.metadata, update);
    }
    let view = Asker::Merchant.sees(intent.view());
    *state.payment_intents.get_mut(id)? = intent;
    Ok(view)
}

fn currency(fields: &mut Fields) -> Checked<String> {
    let currency = fields.required("currency")?.to_lowercase();
    if CURRENCIES.split_whitespace().any(|known| known == currency) {
        return Ok(currency);
    }
    let message =
        format!("Invalid currency: {currency}. Stripe currently supports these currencies: {CURRENCIES}");
    Err(ApiError::invalid(message).param("currency"))
}

fn amount(fields: &mut Fields, currency: &str) -> Checked<i64> {
    match fields.positive("amount")? {
        Some(amount) => checked_amount(amount, currency),
        None => fields.required_integer("amount"),
    }
}

fn checked_amount(amount: i64, currency: &str) -> Checked<i64> {
    let step = match currency {
        "isk" | "ugx" => 100,
        currency if is_three_decimal(currency) => 10,
        _ => 1,
    };
    let refused = |message: String| ApiError::invalid(message).param("amount");
    if amount < *AMOUNTS.start() {
        let message = format!(
            "Amount must be at least {} in minor units of {currency}",
            AMOUNTS.start()
        );
        return Err(refused(message).code("amount_too_small"));
    }
    if amount > *AMOUNTS.end() {
        let message = format!(
            "Amount must be no more than {} in minor units of {currency}",
            AMOUNTS.end()
        );
        return Err(refused(message).code("amount_too_large"));
    }
    if amount % step != 0 {
        return Err(refused(format!(
            "Amounts in {currency} must be divisible by {step}"
        )));
    }
    Ok(amount)
}

/// Which kinds of methods may pay, and whether they come from the dashboard, which is the default.
fn methods(fields: &mut Fields) -> Checked<(Vec<String>, Option<&'static str>)> {
    let named = fields.list("payment_method_types")?;
    let rails = [Rail::Card, Rail::UsBankAccount].map(Rail::word);
    if let Some(other) = named.iter().find(|name| !rails.contains(&name.as_str())) {
        let message =
            format!("The payment method type \"{other}\" is invalid: the pretend Stripe knows {rails:?}.");
        return Err(ApiError::invalid(message).param("payment_method_types"));
    }
    let automatic = match fields.section("automatic_payment_methods")? {
        None => named.is_empty().then_some("always"),
        Some(mut automatic) => {
            let enabled = automatic.boolean("enabled")?.unwrap_or_default();
            let redirects = automatic.choice("allow_redirects", &["always", "never"])?;
            automatic.finish()?;
            enabled.then_some(redirects.unwrap_or("always"))
        }
    };
    if automatic.is_some() && !named.is_empty() {
        let message =
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.";
        return Err(ApiError::invalid(message));
    }
    let named = if named.is_empty() {
        vec![Rail::Card.word().to_owned()]
    } else {
        named
    };
    Ok((named, automatic))
}

fn shipping(fields: &mut Fields) -> Checked<Option<Value>> {
    let Some(section) = fields.section("shipping")? else {
        return Ok(None);
    };
    let mut shipping =
        json!({ "address": {}, "carrier": null, "name": null, "phone": null, "tracking_number": null });
    for (name, value) in section.into_params() {
        shipping[name] = match value {
            Param::Text(text) => text.into(),
            Param::Map(inner) => inner.into_iter().filter_map(text_pair).collect(),
        };
    }
    Ok(Some(shipping))
}

fn text_pair((name, value): (String, Param)) -> Option<(String, Value)> {
    match value {
        Param::Text(text) => Some((name, text.into())),
        Param::Map(_) => None,
    }
}
