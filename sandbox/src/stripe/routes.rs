//! Which method and path lead where.

use axum::http::Method;
use serde_json::Value;

use super::askers::Asker;
use super::errors::ApiError;
use super::fields::{Checked, Fields};
use super::requests::Call;
use super::state::State;
use super::{
    account, balance, charges, checkout, confirmation_tokens, customers, disputes, events, mandates,
    payment_intents, payment_methods, payouts, refunds, setup_intents, webhook_endpoints,
};

/// Carries out one call.
pub(crate) fn dispatch(state: &mut State, call: &Call, fields: Fields) -> Checked<Value> {
    let seen = &call.seen;
    let path: Vec<&str> = seen.path.trim_matches('/').split('/').collect();
    let unrecognized = || Err(ApiError::unrecognized(seen.method.as_str(), &seen.path));
    let Some((&"v1", path)) = path.split_first() else {
        return unrecognized();
    };
    if let Some(answer) = for_all(state, call, path, &fields) {
        return answer;
    }
    if call.asker == Asker::Browser {
        let message = "This API call cannot be made with a publishable API key. Please use a secret API key.";
        return Err(ApiError::forbidden(message));
    }
    let answer = match seen.method {
        Method::GET => read(state, path, fields),
        Method::POST => write(state, path, fields),
        Method::DELETE => delete(state, path, fields),
        _ => None,
    };
    answer.unwrap_or_else(unrecognized)
}

/// What a browser may do, too.
fn for_all(state: &mut State, call: &Call, path: &[&str], fields: &Fields) -> Option<Checked<Value>> {
    let fields = || fields.clone();
    Some(match (&call.seen.method, path) {
        (_, ["payment_intents", "search"]) => return None,
        (&Method::GET, ["payment_intents", id]) => payment_intents::retrieve(state, call.asker, id, fields()),
        (&Method::POST, ["payment_intents", id, "confirm"]) => {
            payment_intents::confirm(state, call.asker, id, fields())
        }
        (&Method::GET, ["setup_intents", id]) => setup_intents::retrieve(state, call.asker, id, fields()),
        (&Method::POST, ["setup_intents", id, "confirm"]) => {
            setup_intents::confirm(state, call.asker, id, fields())
        }
        (&Method::POST, ["payment_methods"]) => payment_methods::create(state, call.asker, fields()),
        _ => return None,
    })
}

fn read(state: &State, path: &[&str], fields: Fields) -> Option<Checked<Value>> {
    Some(match path {
        ["payment_intents"] => payment_intents::list(state, fields),
        ["payment_intents", "search"] => payment_intents::search(state, fields),
        ["charges"] => charges::list(state, fields),
        ["charges", id] => charges::retrieve(state, id, fields),
        ["refunds"] => refunds::list(state, fields),
        ["refunds", id] => refunds::retrieve(state, id, fields),
        ["confirmation_tokens", id] => confirmation_tokens::retrieve(state, id, fields),
        ["disputes"] => disputes::list(state, fields),
        ["disputes", id] => disputes::retrieve(state, id, fields),
        ["account"] => account::retrieve(state, fields),
        ["payouts"] => payouts::list(state, fields),
        ["payouts", id] => payouts::retrieve(state, id, fields),
        ["balance"] => balance::retrieve(state, fields),
        ["balance_transactions"] => balance::list(state, fields),
        ["balance_transactions", id] => balance::retrieve_transaction(state, id, fields),
        ["events"] => events::list(state, fields),
        ["events", id] => events::retrieve(state, id, fields),
        ["webhook_endpoints"] => webhook_endpoints::list(state, fields),
        ["webhook_endpoints", id] => webhook_endpoints::retrieve(state, id, fields),
        ["customers"] => customers::list(state, fields),
        ["customers", "search"] => customers::search(state, fields),
        ["customers", id] => customers::retrieve(state, id, fields),
        ["customers", id, "payment_methods"] => payment_methods::list_of_customer(state, id, fields),
        ["customers", customer, "payment_methods", id] => {
            payment_methods::retrieve_of_customer(state, customer, id, fields)
        }
        ["payment_methods"] => payment_methods::list(state, fields),
        ["payment_methods", id] => payment_methods::retrieve(state, id, fields),
        ["setup_intents"] => setup_intents::list(state, fields),
        ["mandates", id] => mandates::retrieve(state, id, fields),
        ["checkout", "sessions"] => checkout::list(state, fields),
        ["checkout", "sessions", id] => checkout::retrieve(state, id, fields),
        _ => return None,
    })
}

fn write(state: &mut State, path: &[&str], fields: Fields) -> Option<Checked<Value>> {
    Some(match path {
        ["payment_intents"] => payment_intents::create(state, fields),
        ["payment_intents", id] => payment_intents::update(state, id, fields),
        ["payment_intents", id, "capture"] => payment_intents::capture(state, id, fields),
        ["payment_intents", id, "cancel"] => {
            checkout::may_cancel(state, id).and_then(|()| payment_intents::cancel(state, id, fields))
        }
        ["refunds"] => refunds::create(state, fields),
        ["refunds", id] => refunds::update(state, id, fields),
        ["test_helpers", "confirmation_tokens"] => confirmation_tokens::create(state, fields),
        ["disputes", id] => disputes::update(state, id, fields),
        ["disputes", id, "close"] => disputes::close(state, id, fields),
        ["customers"] => customers::create(state, fields),
        ["customers", id] => customers::update(state, id, fields),
        ["payment_methods", id] => payment_methods::update(state, id, fields),
        ["payment_methods", id, "attach"] => payment_methods::attach(state, id, fields),
        ["payment_methods", id, "detach"] => payment_methods::detach(state, id, fields),
        ["setup_intents"] => setup_intents::create(state, fields),
        ["setup_intents", id] => setup_intents::update(state, id, fields),
        ["setup_intents", id, "cancel"] => setup_intents::cancel(state, id, fields),
        ["webhook_endpoints"] => webhook_endpoints::create(state, fields),
        ["webhook_endpoints", id] => webhook_endpoints::update(state, id, fields),
        ["checkout", "sessions"] => checkout::create(state, fields),
        ["checkout", "sessions", id, "expire"] => checkout::expire(state, id, fields),
        _ => return None,
    })
}

fn delete(state: &mut State, path: &[&str], fields: Fields) -> Option<Checked<Value>> {
    Some(match path {
        ["customers", id] => customers::delete(state, id, fields),
        ["webhook_endpoints", id] => webhook_endpoints::delete(state, id, fields),
        _ => return None,
    })
}
