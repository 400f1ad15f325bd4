//! Restricted keys: what a request needs, and what Stripe says where it is not allowed.

use axum::http::Method;

use super::errors::ApiError;
use super::fields::Checked;
use super::requests::SeenRequest;
use super::state::Settings;

/// Which permission a path belongs to, as Stripe names it and as its dashboard does. The first that fits.
const OF_PATHS: [(&str, &str, &str); 15] = [
    ("/v1/payment_intents", "payment_intent", "Payment Intents"),
    ("/v1/charges", "charge", "Charges and Refunds"),
    ("/v1/refunds", "charge", "Charges and Refunds"),
    ("/v1/disputes", "dispute", "Disputes"),
    ("/v1/customers", "customer", "Customers"),
    ("/v1/payment_methods", "payment_method", "Payment Methods"),
    ("/v1/setup_intents", "setup_intent", "Setup Intents"),
    ("/v1/checkout/sessions", "checkout_session", "Checkout Sessions"),
    ("/v1/webhook_endpoints", "webhook", "Webhook Endpoints"),
    ("/v1/events", "event", "Events"),
    (
        "/v1/balance_transactions",
        "balance_transaction_source",
        "Balance Transaction Sources",
    ),
    ("/v1/balance", "balance", "Balance"),
    ("/v1/payouts", "payout", "Payouts"),
    ("/v1/mandates", "mandate", "Mandates"),
    ("/v1/account", "connected_account", "Connected Accounts"),
];

/// Refuses what a restricted key may not do, before anything is looked for: a right to write is one to read.
pub(crate) fn check(settings: &Settings, seen: &SeenRequest) -> Checked<()> {
    let held = settings.permissions();
    let Some(held) = held.as_ref() else {
        return Ok(());
    };
    let Some((name, shown_as)) = find(&seen.path) else {
        return Ok(());
    };
    let reads = seen.method == Method::GET;
    let (level, shown_level) = if reads {
        ("read", "Read")
    } else {
        ("write", "Write")
    };
    let has = |level: &str| held.contains(&format!("{name}_{level}"));
    if has("write") || (reads && has("read")) {
        return Ok(());
    }
    let message = format!(
        "Permission denied. The provided key 'rk_test_...' does not have the required permissions for this endpoint on \
         account '{}'. Enabling \"{shown_as} {shown_level}\" ('{name}_{level}') permissions on this key would allow this \
         request to continue.",
        settings.account_id
    );
    Err(ApiError::forbidden(message).code("more_permissions_required"))
}

fn find(path: &str) -> Option<(&'static str, &'static str)> {
    if path.starts_with("/v1/customers/") && path.contains("/payment_methods") {
        return Some(("payment_method", "Payment Methods"));
    }
    OF_PATHS
        .iter()
        .find(|(prefix, ..)| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .map(|(_, name, shown_as)| (*name, *shown_as))
}
