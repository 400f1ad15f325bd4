//! What a restricted key (`rk_…`) must be allowed: one row for each call that is made, and a look at what a key lacks.
//!
//! The names are Stripe's: <https://docs.stripe.com/keys/permissions-reference>. A right to write is one to read. Refunds belong to
//! charges, and balance transactions to their sources, which are read with them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde::de::IgnoredAny;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use time::OffsetDateTime;

use super::Stripe;
use super::request::{Keeps, Reads, Request};
use crate::domain::ids::OperationId;
use crate::provider::{Permission, ProviderAccount, ProviderError, Rights};

/// A resource as a restricted key knows it: the beginning of the permissions' names, how the dashboard calls it, and where a look finds
/// out whether a key may read, or write, any of it.
///
/// Where only ids lead to it, the look is for one that cannot be there: Stripe looks at a key's rights first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Resource {
    reads: Permission,
    writes: Permission,
    look: &'static str,
}

macro_rules! resource {
    ($name:ident, $word:literal, $shown_as:literal, $look:literal) => {
        const $name: Resource = Resource {
            reads: Permission {
                name: concat!($word, "_read"),
                shown_as: concat!($shown_as, ": read"),
            },
            writes: Permission {
                name: concat!($word, "_write"),
                shown_as: concat!($shown_as, ": write"),
            },
            look: $look,
        };
    };
}

resource!(ACCOUNT, "connected_account", "Connect, Accounts", "/account");
resource!(BALANCE, "balance", "Balance", "/balance");
resource!(
    LINE,
    "balance_transaction_source",
    "Balance transaction sources",
    "/balance_transactions"
);
resource!(CHARGE, "charge", "Charges and refunds", "/refunds/re_0");
resource!(CUSTOMER, "customer", "Customers", "/customers/cus_0");
resource!(DISPUTE, "dispute", "Disputes", "/disputes/dp_0");
resource!(
    ENDPOINT,
    "webhook",
    "Webhook endpoints",
    "/webhook_endpoints/we_0"
);
resource!(EVENT, "event", "Events", "/events");
resource!(
    INTENT,
    "payment_intent",
    "PaymentIntents",
    "/payment_intents/pi_0/cancel"
);
resource!(MANDATE, "mandate", "Mandates", "/mandates/mandate_0");
resource!(
    METHOD,
    "payment_method",
    "PaymentMethods",
    "/payment_methods/pm_0/detach"
);
resource!(PAYOUT, "payout", "Payouts", "/payouts");
resource!(
    SESSION,
    "checkout_session",
    "Checkout Sessions",
    "/checkout/sessions/cs_0/expire"
);
resource!(
    SETUP,
    "setup_intent",
    "SetupIntents",
    "/setup_intents/seti_0/cancel"
);

/// Every call: the request's type, what Stripe counts it as, and what it is about. A `GET` reads, all else writes.
const CALLS: &[(&str, &str, Resource)] = &[
    ("CancelPaymentIntent", "POST /v1/payment_intents/*/cancel", INTENT),
    (
        "CapturePaymentIntent",
        "POST /v1/payment_intents/*/capture",
        INTENT,
    ),
    ("CloseDispute", "POST /v1/disputes/*/close", DISPUTE),
    (
        "ConfirmPaymentIntent",
        "POST /v1/payment_intents/*/confirm",
        INTENT,
    ),
    ("CreateCheckoutSession", "POST /v1/checkout/sessions", SESSION),
    ("CreateCustomer", "POST /v1/customers", CUSTOMER),
    ("CreateEndpoint", "POST /v1/webhook_endpoints", ENDPOINT),
    ("CreatePaymentIntent", "POST /v1/payment_intents", INTENT),
    ("CreateRefund", "POST /v1/refunds", CHARGE),
    ("CreateSetupIntent", "POST /v1/setup_intents", SETUP),
    ("DeleteEndpoint", "DELETE /v1/webhook_endpoints/*", ENDPOINT),
    ("DetachPaymentMethod", "POST /v1/payment_methods/*/detach", METHOD),
    (
        "ExpireCheckoutSession",
        "POST /v1/checkout/sessions/*/expire",
        SESSION,
    ),
    ("ListBalanceTransaction", "GET /v1/balance_transactions", LINE),
    ("ListCheckoutSession", "GET /v1/checkout/sessions", SESSION),
    ("ListCustomer", "GET /v1/customers", CUSTOMER),
    ("ListDispute", "GET /v1/disputes", DISPUTE),
    ("ListEndpoints", "GET /v1/webhook_endpoints", ENDPOINT),
    ("ListEvent", "GET /v1/events", EVENT),
    ("ListPaymentIntent", "GET /v1/payment_intents", INTENT),
    (
        "ListPaymentMethodsCustomer",
        "GET /v1/customers/*/payment_methods",
        METHOD,
    ),
    ("ListPayout", "GET /v1/payouts", PAYOUT),
    ("ListRefund", "GET /v1/refunds", CHARGE),
    ("ListSetupIntent", "GET /v1/setup_intents", SETUP),
    ("RetrieveAccount", "GET /v1/account", ACCOUNT),
    ("RetrieveCharge", "GET /v1/charges/*", CHARGE),
    ("RetrieveCheckoutSession", "GET /v1/checkout/sessions/*", SESSION),
    ("RetrieveDispute", "GET /v1/disputes/*", DISPUTE),
    ("RetrieveForMyAccountBalance", "GET /v1/balance", BALANCE),
    ("RetrieveMandate", "GET /v1/mandates/*", MANDATE),
    ("RetrievePart", "GET /v1/charges/*", CHARGE),
    ("RetrievePart", "GET /v1/payment_intents/*", INTENT),
    ("RetrievePart", "GET /v1/refunds/*", CHARGE),
    ("RetrievePaymentIntent", "GET /v1/payment_intents/*", INTENT),
    ("RetrievePaymentMethod", "GET /v1/payment_methods/*", METHOD),
    ("RetrievePayout", "GET /v1/payouts/*", PAYOUT),
    ("RetrieveSetupIntent", "GET /v1/setup_intents/*", SETUP),
    ("SearchCustomer", "GET /v1/customers/search", CUSTOMER),
    ("SearchPaymentIntent", "GET /v1/payment_intents/search", INTENT),
    ("UpdateCustomer", "POST /v1/customers/*", CUSTOMER),
    ("UpdateDispute", "POST /v1/disputes/*", DISPUTE),
    ("UpdateEndpoint", "POST /v1/webhook_endpoints/*", ENDPOINT),
];

/// The calls that a look makes beside these.
const LOOKS: &[&str] = &["POST /v1/refunds/*", "POST /v1/setup_intents/*/cancel"];

/// Whether what a call needs is written down. An id may be all of small letters, and then looks like one of Stripe's words.
pub(super) fn is_known(endpoint: &str) -> bool {
    let calls = CALLS.iter().map(|(_, known, _)| *known);
    calls
        .chain(LOOKS.iter().copied())
        .any(|known| fits(known, endpoint))
}

fn fits(known: &str, endpoint: &str) -> bool {
    let (mut known, mut asked) = (known.split('/'), endpoint.split('/'));
    loop {
        match (known.next(), asked.next()) {
            (None, None) => return true,
            (Some(word), Some(segment)) if word == "*" || word == segment => {}
            _ => return false,
        }
    }
}

/// What is done with each resource: whether it is written.
fn needs() -> BTreeMap<Resource, bool> {
    let mut needs = BTreeMap::new();
    for (_, endpoint, resource) in CALLS {
        *needs.entry(*resource).or_default() |= !endpoint.starts_with("GET ");
    }
    needs
}

impl Resource {
    const fn permission(self, writes: bool) -> Permission {
        if writes { self.writes } else { self.reads }
    }
}

/// A read of one entry, or of what is not there.
struct LookToRead(&'static str);

/// A write to what is not there.
struct LookToWrite(&'static str);

impl StripeRequest for LookToRead {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Get, self.0)
    }
}

impl StripeRequest for LookToWrite {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Post, self.0)
    }
}

impl Reads for LookToRead {}
impl Keeps for LookToWrite {}

#[async_trait]
impl Rights for Stripe {
    fn needed(&self) -> Vec<Permission> {
        let needs = needs().into_iter();
        needs
            .map(|(resource, writes)| resource.permission(writes))
            .collect()
    }

    fn is_restricted(&self, account: &ProviderAccount) -> bool {
        account.secret_key.expose_secret().starts_with("rk_")
    }

    async fn find_missing(&self, account: &ProviderAccount) -> Result<Vec<Permission>, ProviderError> {
        let mut missing = Vec::new();
        if !self.is_restricted(account) {
            return Ok(missing);
        }
        for (resource, writes) in needs() {
            let request = if writes {
                Request::keep(&LookToWrite(resource.look), OperationId::generate())
            } else {
                Request::read(&LookToRead(resource.look))
            };
            let deadline = self.http.deadline();
            let looked = self.http.send::<IgnoredAny>(account, &request, deadline).await;
            match looked.map_err(ProviderError::from) {
                // That there is no such thing was said to a key that may ask.
                Ok(_) | Err(ProviderError::Invalid { .. }) => {}
                Err(ProviderError::Lacks { .. }) => missing.push(resource.permission(writes)),
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    async fn tell_time(&self, account: &ProviderAccount) -> Result<Option<OffsetDateTime>, ProviderError> {
        let request = Request::read(&LookToRead(BALANCE.look));
        self.http.tell_time(account, &request).await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The types of all requests that the sources of this module mark as ones that may be sent.
    fn marked(under: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(under).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                marked(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for mark in ["impl Reads for ", "impl MovesMoney for ", "impl Keeps for "] {
                let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
                found.extend(lines.map(|rest| rest.split([' ', '<']).next().unwrap().to_owned()));
            }
        }
    }

    #[test]
    fn no_call_is_without_its_permission_and_none_is_listed_that_is_not_made() {
        let mut made = BTreeSet::new();
        marked(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stripe"),
            &mut made,
        );
        let looks = ["LookToRead".to_owned(), "LookToWrite".to_owned()];
        made.retain(|name| !looks.contains(name));
        let listed: BTreeSet<String> = CALLS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(listed, made);
    }

    #[test]
    fn a_look_is_for_a_call_that_is_known() {
        for (resource, writes) in needs() {
            let request = if writes {
                Request::keep(&LookToWrite(resource.look), OperationId::generate())
            } else {
                Request::read(&LookToRead(resource.look))
            };
            assert!(is_known(&request.endpoint()), "{}", request.endpoint());
        }
    }

    #[test]
    fn the_readme_names_what_a_restricted_key_needs_and_nothing_else() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = fs::read_to_string(readme).unwrap();
        let rows: Vec<String> = needs()
            .into_iter()
            .map(|(resource, writes)| resource.permission(writes))
            .map(|permission| {
                let (shown_as, level) = permission.shown_as.split_once(": ").unwrap();
                format!("| {shown_as} | {level} | `{}` |", permission.name)
            })
            .collect();
        let table = format!(
            "| in the dashboard | level | Stripe's name |\n|---|---|---|\n{}\n",
            rows.join("\n")
        );
        assert!(readme.contains(&table), "put this into the README:\n{table}");
    }
}
