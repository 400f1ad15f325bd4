//! Asks a customer for money.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgConnection;

use super::{resume, serve};
use crate::app::auth::Caller;
use crate::app::{App, AppError, Keyed, Served, commit};
use crate::domain::ids::{OdooInstanceId, OperationId, PaymentId, ProviderAccountId};
use crate::domain::money::Amount;
use crate::domain::operation::{Operation, OperationKind, OperationState};
use crate::domain::payment::{CaptureMethod, Payment, PaymentState, Reference};
use crate::domain::posting::Settles;
use crate::store;
use crate::store::StoreError;

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
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// A saved payment method to confirm with at once.
    pub payment_method: Option<String>,
    /// Where the customer returns to after 3-D Secure.
    pub return_url: Option<String>,
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
/// [`AppError::ReferenceInUse`] names the living payment that has the reference.
#[tracing::instrument(name = "app.payment.create", skip_all, fields(merchant_id = %caller.merchant_id))]
pub async fn create(
    app: &Arc<App>,
    caller: &Caller,
    keyed: Keyed,
    new: NewPayment,
) -> Result<Served, AppError> {
    let merchant = caller.merchant_id;
    let operation_id = OperationId::generate();
    let mut tx = app.begin().await?;
    if let Some(record) = keyed.key.claim(app, &mut tx, merchant, operation_id).await? {
        return resume(app, tx, merchant, record, keyed).await;
    }
    let account = choose_account(&mut tx, app, caller, new.provider_account).await?;
    let instance = choose_instance(&mut tx, app, caller, new.odoo_instance).await?;
    let now = app.clock.now();
    let payment = Payment {
        merchant_id: merchant,
        id: PaymentId::generate(),
        provider_account_id: account,
        odoo_instance_id: instance,
        reference: new.reference,
        amount: new.amount,
        capture_method: new.capture_method,
        state: PaymentState::Created,
        authorized_minor: 0,
        captured_minor: 0,
        refunded_minor: 0,
        disputed_minor: 0,
        provider_reference: None,
        charge_reference: None,
        client_secret: None,
        next_action: None,
        decline: None,
        settles: new.settles,
        description: new.description,
        metadata: new.metadata,
        version: 0,
        created_at: now,
        updated_at: now,
    };
    match store::payments::insert(&mut tx, &payment).await {
        Err(StoreError::Conflict { constraint }) if constraint == "payment_living_reference" => {
            drop(tx);
            return Err(name_the_living(app, &payment).await?);
        }
        other => other?,
    }
    let operation = Operation {
        payment_method: new.payment_method,
        return_url: new.return_url,
        ..new_operation(
            operation_id,
            &payment,
            OperationKind::Authorize,
            payment.amount.minor(),
            now,
        )
    };
    store::operations::insert(&mut tx, merchant, &operation, now + app.timing.operation_lease).await?;
    commit(tx).await?;
    tracing::info!(payment_id = %payment.id, "a payment was created");
    serve(app, payment, operation, keyed).await
}

/// An operation that its maker is about to carry out.
pub(super) const fn new_operation(
    id: OperationId,
    payment: &Payment,
    kind: OperationKind,
    amount_minor: i64,
    now: time::OffsetDateTime,
) -> Operation {
    Operation {
        id,
        payment_id: payment.id,
        provider_account_id: payment.provider_account_id,
        kind,
        amount_minor,
        state: OperationState::Pending,
        payment_method: None,
        return_url: None,
        attempts: 0,
        first_sent_at: now,
        look_up: false,
        fence: 1,
        error_code: None,
        error_message: None,
    }
}

async fn name_the_living(app: &App, payment: &Payment) -> Result<AppError, AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let (merchant, account) = (payment.merchant_id, payment.provider_account_id);
    let living = store::payments::find_living(&mut conn, merchant, account, &payment.reference).await?;
    // Between the two statements it may have ended: then the caller may simply repeat.
    Ok(living.map_or(
        AppError::InFlight {
            retry_after: std::time::Duration::from_secs(1),
        },
        |payment| AppError::ReferenceInUse { payment },
    ))
}

async fn choose_account(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    named: Option<ProviderAccountId>,
) -> Result<ProviderAccountId, AppError> {
    if let Some(id) = named {
        let account = store::provider_accounts::get(conn, &app.sealer, caller.merchant_id, id).await;
        return match account {
            Ok(account) if account.live == caller.live => Ok(id),
            Ok(_) | Err(StoreError::NotFound) => Err(AppError::NotFound("provider account")),
            Err(error) => Err(error.into()),
        };
    }
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

async fn choose_instance(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    named: Option<OdooInstanceId>,
) -> Result<Option<OdooInstanceId>, AppError> {
    if let Some(id) = named {
        return match store::odoo_instances::get(conn, &app.sealer, caller.merchant_id, id).await {
            Ok(_) => Ok(Some(id)),
            Err(StoreError::NotFound) => Err(AppError::NotFound("odoo instance")),
            Err(error) => Err(error.into()),
        };
    }
    match store::odoo_instances::list(conn, caller.merchant_id)
        .await?
        .as_slice()
    {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        _ => Err(AppError::Invalid {
            field: "odoo_instance",
            code: "odoo_instance_required",
            message: "must be given: the merchant has several instances".to_owned(),
        }),
    }
}
