//! What an object is to remember beyond our ids: all that a database that was put back cannot know any more.
//!
//! Only what was asked for under a key is marked, and an operation keeps that key with it: repeated by whatever version, it makes the
//! same request.

use super::super::objects::{
    CAPTURE, CAPTURE_AMOUNT, CAPTURE_METHOD, CAPTURE_REFERENCE, CAPTURE_REQUEST, CUSTOMER, INSTANCE, METHOD,
    REFERENCE, REQUEST, SETTLES,
};
use crate::domain::operation::Operation;
use crate::domain::payment::{CaptureMethod, Payment};
use crate::domain::posting::Settles;
use crate::provider::Call;

/// The most characters that Stripe keeps under one key.
const MOST: usize = 500;

type Mark = (String, String);

/// What a payment, a page or a refund remembers.
pub(super) fn of(call: Call<'_>) -> Vec<Mark> {
    let Call { payment, operation } = call;
    let Some(asked) = operation.ask.asked else {
        return Vec::new();
    };
    let mut marks = vec![mark(REQUEST, &asked)];
    if operation.kind.begins() {
        marks.extend(of_payment(payment));
        let method = operation.ask.payment_method.as_ref();
        marks.extend(method.map(|method| mark(METHOD, method)));
    } else if let Some(reference) = &operation.ask.reference {
        marks.push(mark(REFERENCE, reference));
    }
    marks
}

fn of_payment(payment: &Payment) -> Vec<Mark> {
    let method = match payment.capture_method {
        CaptureMethod::Automatic => "automatic",
        CaptureMethod::Manual => "manual",
    };
    let mut marks = vec![
        mark(REFERENCE, &payment.reference.as_str()),
        mark(CAPTURE_METHOD, &method),
    ];
    marks.extend(payment.odoo_instance_id.map(|id| mark(INSTANCE, &id)));
    marks.extend(payment.customer_id.map(|id| mark(CUSTOMER, &id)));
    let settles = settles(&payment.settles);
    if settles.len() <= MOST {
        marks.push(mark(SETTLES, &settles));
    }
    marks
}

/// `model,id,minor` of each document, with semicolons; `-` where there is none: Stripe takes an empty value for no key.
fn settles(settles: &[Settles]) -> String {
    if settles.is_empty() {
        return "-".to_owned();
    }
    let each = settles
        .iter()
        .map(|one| format!("{},{},{}", one.model, one.id, one.amount_minor));
    each.collect::<Vec<_>>().join(";")
}

/// What a payment remembers of its last capture. What an earlier one left is taken away.
pub(super) fn of_capture(operation: &Operation) -> Vec<Mark> {
    let mut marks = vec![mark(CAPTURE, &operation.id)];
    if let Some(asked) = operation.ask.asked {
        marks.extend([
            mark(CAPTURE_REQUEST, &asked),
            mark(CAPTURE_AMOUNT, &operation.amount_minor),
            mark(
                CAPTURE_REFERENCE,
                &operation.ask.reference.as_deref().unwrap_or_default(),
            ),
        ]);
    }
    marks
}

fn mark(key: &str, value: &impl ToString) -> Mark {
    (key.to_owned(), value.to_string())
}
