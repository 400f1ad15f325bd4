//! What Stripe says no to before it tries a payment.

use super::super::errors::ApiError;
use super::super::fields::Checked;
use super::PaymentIntent;

/// Stripe's own limit on what fits on a bank statement, and what may not stand there.
const MAX_DESCRIPTOR_LEN: usize = 22;
const NOT_ON_STATEMENTS: [char; 6] = ['<', '>', '\\', '\'', '"', '*'];

/// Checks what was set. `owner` is the customer from before.
pub(super) fn check(intent: &PaymentIntent, owner: Option<&str>) -> Checked<()> {
    if owner.is_some_and(|owner| intent.customer.as_deref() != Some(owner)) {
        let message = "You cannot modify `customer` on a PaymentIntent once it already has been set. To fulfill a \
                       payment with a different Customer, cancel this PaymentIntent and create a new one.";
        return Err(ApiError::invalid(message).param("customer"));
    }
    if let Some(email) = intent.receipt_email.as_ref().filter(|email| !is_email(email)) {
        let error = ApiError::invalid(format!("Invalid email address: {email}"));
        return Err(error.code("email_invalid").param("receipt_email"));
    }
    if intent.statement_descriptor.is_some() && intent.accepts_cards() {
        let message = "The statement_descriptor parameter is not supported for the payment_method_type `card`. To \
                       continue supporting payment_method_type `card`, please pass in `statement_descriptor_suffix` \
                       or remove the `statement_descriptor` parameter altogether.";
        return Err(ApiError::invalid(message).param("statement_descriptor"));
    }
    for (name, text) in [
        ("statement_descriptor", &intent.statement_descriptor),
        ("statement_descriptor_suffix", &intent.statement_descriptor_suffix),
    ] {
        check_descriptor(name, text.as_deref().unwrap_or("absent"))?;
    }
    Ok(())
}

fn check_descriptor(name: &str, text: &str) -> Checked<()> {
    let refused = |why: &str| Err(ApiError::invalid(format!("The {name} '{text}' {why}.")).param(name));
    if text.chars().count() > MAX_DESCRIPTOR_LEN {
        return refused("is longer than 22 characters");
    }
    if text.contains(NOT_ON_STATEMENTS) {
        return refused("has one of the characters < > \\ ' \" *");
    }
    if !text.chars().any(|character| character.is_ascii_alphabetic()) {
        return refused("must contain at least one letter");
    }
    Ok(())
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && domain.contains('.') && !text.contains(char::is_whitespace)
    })
}
