//! Asks a customer for money.

use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::attempts::{in_the_way, raise_difference};
use super::change::{call_off, need};
use super::payer::{self, Payer};
use super::{deadline, resume, serve};
use crate::app::accounts::KnownAccount;
use crate::app::audit_log;
use crate::app::auth::Caller;
use crate::app::error::no;
use crate::app::{App, AppError, Keyed, Served, commit};
use crate::domain::audit_log::Action;
use crate::domain::checkout::{CheckoutSession, CheckoutState};
use crate::domain::ids::{
    CheckoutSessionId, CustomerId, MerchantId, OdooInstanceId, OperationId, ProviderAccountId,
};
use crate::domain::money::Amount;
use crate::domain::operation::{Ask, Operation, OperationKind};
use crate::domain::payment::{CaptureMethod, Payment, Reference, Terms};
use crate::domain::posting::Settles;
use crate::provider::Capability;
use crate::store;

/// How often others may begin while an attempt at the same document is being ended, before a caller is told to come back.
const ROUNDS: usize = 4;

/// How long a page may be open.
const PAGE_AT_LEAST: time::Duration = time::Duration::minutes(30);
const PAGE_AT_MOST: time::Duration = time::Duration::hours(24);

/// What a caller asks for, parsed.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// Where to charge it; may be left out where the merchant has one account of the key's mode.
    pub provider_account: Option<ProviderAccountId>,
    /// Whose books it goes into; may be left out where the merchant has one instance or none.
    pub odoo_instance: Option<OdooInstanceId>,
    /// Odoo's own reference of it.
    pub reference: Reference,
    /// What the customer owes.
    pub amount: Amount,
    /// Who pays; may be left out where a saved method says it.
    pub customer: Option<CustomerId>,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// What it says to the customer and their bank beside the amount.
    pub terms: Terms,
    /// How the customer is asked: on a page of the provider's where it names one, with a payment method at once where it
    /// names one, else in their browser.
    pub ask: Ask,
    /// Until when the customer may pay.
    pub expires_at: Option<OffsetDateTime>,
    /// Whether it is asked for although another payment of a document has or may get the money.
    pub allow_double: bool,
    /// What the merchant says of it, for people.
    pub description: Option<String>,
    /// The merchant's own notes.
    pub metadata: BTreeMap<String, String>,
    /// The documents it settles.
    pub settles: Vec<Settles>,
}

/// Asks a customer for money, once per key and once per living reference.
///
/// # Errors
/// [`AppError::ReferenceInUse`] and [`AppError::DocumentInPayment`] name the payment that is in the way.
#[tracing::instrument(name = "app.payment.create", skip_all, fields(merchant_id = %caller.merchant_id))]
pub async fn create(
    app: &Arc<App>,
    caller: &Caller,
    keyed: Keyed,
    new: NewPayment,
) -> Result<Served, AppError> {
    let (merchant, deadline) = (caller.merchant_id, deadline(app));
    for _ in 0..ROUNDS {
        let operation_id = OperationId::generate();
        let mut tx = app.begin(merchant).await?;
        if let Some(record) = keyed.key.claim(app, &mut tx, merchant, operation_id).await? {
            return resume(app, tx, merchant, record, keyed, deadline).await;
        }
        let (payment, payer) = draft(&mut tx, app, caller, &new).await?;
        let open = match in_the_way(app, &mut tx, &payment).await {
            Ok(open) => open,
            Err(error) => {
                drop(tx);
                if let AppError::ReferenceInUse {
                    payment: living,
                    differs: true,
                } = error
                {
                    raise_difference(app, &payment, living).await?;
                }
                return Err(error);
            }
        };
        if !open.is_empty() {
            // Nothing is claimed or written yet: whatever happens meanwhile, the request begins anew.
            drop(tx);
            for attempt in open {
                call_off(app, merchant, attempt, deadline).await?;
            }
            continue;
        }
        let ask = Ask {
            payment_method: payer.payment_method,
            asked: Some(keyed.key.asked()),
            ..new.ask
        };
        let operation = write(app, &mut tx, &payment, operation_id, ask).await?;
        let action = if payment.hosted {
            Action::CheckoutCreate
        } else {
            Action::PaymentCreate
        };
        let amount = payment.amount;
        let detail = json!({ "operation": operation.id, "amount_minor": amount.minor(), "currency": amount.currency().code() });
        audit_log::record(
            app,
            &mut tx,
            merchant,
            &caller.actor(),
            (action, &payment.id),
            &detail,
        )
        .await?;
        commit(tx).await?;
        tracing::info!(payment_id = %payment.id, "a payment was created");
        return serve(app, payment, operation, keyed, deadline).await;
    }
    Err(AppError::in_flight())
}

/// The payment as it is asked for, not written yet, and who pays it.
async fn draft(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    new: &NewPayment,
) -> Result<(Payment, Payer), AppError> {
    let account = choose_account(conn, app, caller, new.provider_account).await?;
    let provider = app.provider(&account.account.provider)?;
    let needed = [
        (
            Capability::ManualCapture,
            new.capture_method == CaptureMethod::Manual,
        ),
        (Capability::HostedPage, new.ask.page.is_some()),
        (Capability::Confirm, new.ask.payment_method.is_some()),
    ];
    for (capability, _) in needed.into_iter().filter(|(_, is_needed)| *is_needed) {
        need(&**provider, capability)?;
    }
    let instance = match (new.odoo_instance, &caller.binding) {
        (None, Some(binding)) => Some(binding.odoo_instance),
        (named, _) => choose_instance(conn, app, caller.merchant_id, named).await?,
    };
    let now = app.clock.now();
    check_times(new, now)?;
    let method = new.ask.payment_method.as_deref();
    let payer = payer::find(app, conn, caller, account.account.id, new.customer, method).await?;
    if new.terms.setup_future_usage.is_some() && payer.customer.is_none() {
        return Err(AppError::Invalid {
            field: "setup_future_usage",
            code: "needs_customer",
            message: "needs a customer to save the method for".to_owned(),
        });
    }
    let (customer_id, customer_reference) = payer.customer.clone().unzip();
    let payment = Payment {
        odoo_instance_id: instance,
        customer_id,
        customer_reference,
        capture_method: new.capture_method,
        terms: new.terms.clone(),
        hosted: new.ask.page.is_some(),
        expires_at: new.expires_at,
        allow_double: new.allow_double,
        settles: new.settles.clone(),
        description: new.description.clone(),
        metadata: new.metadata.clone(),
        ..Payment::new(
            caller.merchant_id,
            account.account.id,
            new.reference.clone(),
            new.amount,
            now,
        )
    };
    Ok((payment, payer))
}

/// A page is open for as long as Stripe allows: docs.stripe.com/api/checkout/sessions/create, `expires_at`.
fn check_times(new: &NewPayment, now: OffsetDateTime) -> Result<(), AppError> {
    let invalid = |message: &str| AppError::Invalid {
        field: "expires_at",
        code: "invalid_expiry",
        message: message.to_owned(),
    };
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(invalid("must be in the future"));
    }
    let page = new.ask.page.as_ref().and_then(|page| page.expires_at);
    if page.is_some_and(|at| at < now + PAGE_AT_LEAST || at > now + PAGE_AT_MOST) {
        return Err(invalid("must be 30 minutes to 24 hours from now"));
    }
    Ok(())
}

async fn write(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    id: OperationId,
    ask: Ask,
) -> Result<Operation, AppError> {
    let (merchant, now) = (payment.merchant_id, payment.created_at);
    store::payments::insert(conn, payment).await?;
    store::payments::insert_documents(conn, payment).await?;
    let kind = match &ask.page {
        None => OperationKind::Authorize,
        Some(page) => {
            let session = CheckoutSession {
                id: CheckoutSessionId::generate(),
                payment_id: payment.id,
                provider_account_id: payment.provider_account_id,
                state: CheckoutState::Open,
                provider_reference: None,
                url: None,
                expires_at: page.expires_at,
            };
            store::checkout_sessions::insert(conn, merchant, &session, now).await?;
            OperationKind::Checkout
        }
    };
    let operation = Operation::new(id, payment, kind, payment.amount.minor(), ask, now);
    store::operations::insert(conn, merchant, &operation, now + app.timing.operation_lease).await?;
    Ok(operation)
}

/// The account that is named, or that the key was connected for, or the merchant's only one of the key's mode.
pub(in crate::app) async fn choose_account(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    named: Option<ProviderAccountId>,
) -> Result<Arc<KnownAccount>, AppError> {
    let own = caller.binding.as_ref().map(|binding| binding.provider_account);
    let id = match named.or(own) {
        Some(id) => id,
        None => only_account(conn, caller).await?,
    };
    let known = app
        .accounts
        .find(app, conn, caller.merchant_id, id)
        .await?
        .filter(|known| known.account.merchant_id == caller.merchant_id && known.account.live == caller.live);
    let known = known.ok_or(AppError::NotFound("provider account"))?;
    known.check_open()?;
    Ok(known)
}

async fn only_account(conn: &mut PgConnection, caller: &Caller) -> Result<ProviderAccountId, AppError> {
    match store::provider_accounts::list_of_mode(conn, caller.merchant_id, caller.live)
        .await?
        .as_slice()
    {
        [only] => Ok(*only),
        [] => Err(AppError::Invalid {
            field: "provider_account",
            code: "no_provider_account",
            message: "cannot be chosen: the merchant has no account of this key's mode; add one with \
                      `quittance provider-account add`"
                .to_owned(),
        }),
        _ => Err(AppError::Invalid {
            field: "provider_account",
            code: "provider_account_required",
            message: "must be given: the merchant has several accounts of this key's mode".to_owned(),
        }),
    }
}

/// Whose books something goes into: the instance that is named, or the only one.
pub(in crate::app) async fn choose_instance(
    conn: &mut PgConnection,
    app: &App,
    merchant: MerchantId,
    named: Option<OdooInstanceId>,
) -> Result<Option<OdooInstanceId>, AppError> {
    if let Some(id) = named {
        let found = store::odoo_instances::get(conn, &app.sealer, merchant, id).await;
        return found.map(|_| Some(id)).map_err(no("odoo instance"));
    }
    match store::odoo_instances::list(conn, merchant).await?.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        _ => Err(AppError::Invalid {
            field: "odoo_instance",
            code: "odoo_instance_required",
            message: "must be given: the merchant has several instances".to_owned(),
        }),
    }
}
