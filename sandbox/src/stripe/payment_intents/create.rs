//! Creating and changing payment intents.

use serde_json::{Value, json};

use super::super::askers::Asker;
use super::super::balance::is_three_decimal;
use super::super::errors::ApiError;
use super::super::fields::{Checked, Fields, merge};
use super::super::form::{Param, Params};
use super::super::mandates::Consent;
use super::super::method_types::MethodTypes;
use super::super::state::{Row, State, new_id, now, token};
use super::{CaptureMethod, MethodOptions, PaymentIntent, Status, checks};

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
    consent: Consent,
}

/// `POST /v1/payment_intents`
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let (mut intent, confirmation) = parse(state, &mut fields)?;
    fields.ignore(&WITHOUT_EFFECT);
    fields.finish()?;
    intent.off_session = confirmation.off_session;
    intent.consent = confirmation.consent;
    if !confirmation.now && (intent.off_session || intent.confirmation_token.is_some()) {
        let message = "`off_session` and `confirmation_token` may be given only together with `confirm`.";
        return Err(ApiError::invalid(message));
    }
    if confirmation.now {
        if intent.payment_method.is_none() {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
            return Err(ApiError::invalid(message)
                .code("parameter_missing")
                .param("payment_method"));
        }
        intent.check_return_url()?;
    }
    if let Some(method) = &mut intent.payment_method {
        *method = state.use_payment_method(method, intent.customer.as_deref())?;
        intent.status = Status::RequiresConfirmation;
    }
    if confirmation.now {
        state.check_payable(&intent)?;
    } else if intent.consent.acceptance.is_some() {
        let message = "`mandate_data` may be given only together with `confirm`.";
        return Err(ApiError::invalid(message).param("mandate_data"));
    }
    let id = intent.id.clone();
    state.use_up_token(&intent);
    state.payment_intents.insert(intent);
    state.emit_intent("payment_intent.created", &id);
    if confirmation.now {
        state.try_to_pay(&id)?;
    }
    Ok(state.payment_intents.get(&id)?.view())
}

/// An intent for a session of Checkout, from what the session was created with.
pub(crate) fn for_session(state: &State, params: Params) -> Checked<PaymentIntent> {
    let mut fields = Fields::within("payment_intent_data", params);
    let (intent, _) = parse(state, &mut fields)?;
    fields.finish()?;
    Ok(intent)
}

fn parse(state: &State, fields: &mut Fields) -> Checked<(PaymentIntent, Confirmation)> {
    let currency = currency(fields)?;
    let amount = amount(fields, &currency)?;
    let confirmation = Confirmation {
        now: fields.boolean("confirm")?.unwrap_or_default(),
        off_session: fields.boolean("off_session")?.unwrap_or_default(),
        consent: Consent::take(fields, Asker::Merchant)?,
    };
    let method_types = MethodTypes::take(fields, Some(&currency))?;
    let id = new_id("pi");
    let mut intent = PaymentIntent {
        client_secret: format!("{id}_secret_{}", token()),
        id,
        confirmation_token: None,
        created: now(),
        amount,
        amount_capturable: 0,
        amount_received: 0,
        canceled_at: None,
        cancellation_reason: None,
        capture_method: fields
            .choice("capture_method", &CaptureMethod::WORDS)?
            .map_or(CaptureMethod::AutomaticAsync, CaptureMethod::parse),
        checkout: None,
        consent: Consent::default(),
        currency,
        customer: None,
        description: None,
        last_payment_error: None,
        latest_charge: None,
        metadata: fields.metadata()?.unwrap_or_default(),
        method_types,
        method_options: MethodOptions::default(),
        next_action: None,
        off_session: false,
        payment_method: None,
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
    state.fill_from_token(intent, fields)?;
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
        state.check_customer(customer)?;
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
    let before = intent.payment_method.clone();
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
    let named = intent.payment_method.clone();
    if let Some(method) = named.filter(|method| Some(method) != before.as_ref()) {
        intent.payment_method = Some(state.use_payment_method(&method, intent.customer.as_deref())?);
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

pub(crate) fn currency(fields: &mut Fields) -> Checked<String> {
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

pub(crate) fn shipping(fields: &mut Fields) -> Checked<Option<Value>> {
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
