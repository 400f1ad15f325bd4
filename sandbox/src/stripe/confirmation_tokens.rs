//! Confirmation tokens: what a browser collected, to be used by a server, once.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields};
use super::payment_intents::{PaymentIntent, shipping};
use super::state::{Row, State, new_id, now};

/// How long a token may be used.
const USABLE_SECS: i64 = 12 * 60 * 60;

/// A payment method and what goes with it.
#[derive(Clone, Debug)]
pub(crate) struct ConfirmationToken {
    id: String,
    created: i64,
    payment_method: String,
    preview: Value,
    return_url: Option<String>,
    setup_future_usage: Option<&'static str>,
    shipping: Option<Value>,
    /// The intent that it was used for.
    payment_intent: Option<String>,
}

impl Row for ConfirmationToken {
    const KIND: &'static str = "confirmation_token";
    const PARAM: &'static str = "confirmation_token";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "confirmation_token",
            "created": self.created,
            "expires_at": self.created + USABLE_SECS,
            "livemode": false,
            "mandate_data": null,
            "payment_intent": self.payment_intent,
            "payment_method_options": null,
            "payment_method_preview": self.preview,
            "return_url": self.return_url,
            "setup_future_usage": self.setup_future_usage,
            "setup_intent": null,
            "shipping": self.shipping.as_ref().map(shown),
            "use_stripe_sdk": true,
        })
    }
}

impl State {
    /// Fills an intent from the token that a request names. What the request says itself goes first.
    pub(crate) fn fill_from_token(&self, intent: &mut PaymentIntent, fields: &mut Fields) -> Checked<()> {
        let Some(id) = fields.text("confirmation_token")? else {
            return Ok(());
        };
        if fields.has("payment_method") {
            let message = "You may only specify one of these parameters: payment_method, confirmation_token.";
            return Err(ApiError::invalid(message).param("confirmation_token"));
        }
        self.confirmation_tokens.check(&id, "confirmation_token")?;
        let token = self.confirmation_tokens.get(&id)?;
        if token.payment_intent.is_some() {
            let message = format!("This ConfirmationToken ({id}) has already been used.");
            return Err(ApiError::invalid(message).param("confirmation_token"));
        }
        intent.payment_method = Some(token.payment_method.clone());
        intent.return_url = token.return_url.clone().or(intent.return_url.take());
        intent.setup_future_usage = token.setup_future_usage.or(intent.setup_future_usage);
        intent.shipping = token.shipping.clone().or(intent.shipping.take());
        intent.confirmation_token = Some(id);
        Ok(())
    }

    /// Remembers what an intent's token was used for.
    pub(crate) fn use_up_token(&mut self, intent: &PaymentIntent) {
        let token = intent.confirmation_token.as_deref();
        if let Some(token) = token.and_then(|id| self.confirmation_tokens.find_mut(id)) {
            token.payment_intent = Some(intent.id.clone());
        }
    }
}

/// A token shows less of who carries it, and an address field by field.
fn shown(shipping: &Value) -> Value {
    let mut address = json!({
        "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
    });
    for (name, value) in shipping["address"].as_object().into_iter().flatten() {
        address[name] = value.clone();
    }
    json!({ "address": address, "name": shipping["name"], "phone": shipping["phone"] })
}

/// `POST /v1/test_helpers/confirmation_tokens`: what the customer's browser would do.
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let method = fields.required("payment_method")?;
    let return_url = fields.text("return_url")?;
    let setup_future_usage = fields.choice("setup_future_usage", &["off_session", "on_session"])?;
    let shipping = shipping(&mut fields)?;
    fields.finish()?;
    let payment_method = state.use_payment_method(&method, None)?;
    let mut preview = state.payment_methods.get(&payment_method)?.view();
    if let Some(preview) = preview.as_object_mut() {
        preview.retain(|name, _| {
            !matches!(
                name.as_str(),
                "id" | "object" | "created" | "livemode" | "metadata"
            )
        });
    }
    let token = ConfirmationToken {
        id: new_id("ctoken"),
        created: now(),
        payment_method,
        preview,
        return_url,
        setup_future_usage,
        shipping,
        payment_intent: None,
    };
    let view = token.view();
    state.confirmation_tokens.insert(token);
    Ok(view)
}

/// `GET /v1/confirmation_tokens/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.confirmation_tokens.get(id)?.view())
}
