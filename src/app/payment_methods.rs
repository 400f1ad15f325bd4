//! Saved payment methods: what customers left, which one is taken first, and taking one back.

use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::auth::Caller;
use super::customers::get_of_mode;
use super::error::no;
use super::news::{tell_method, tell_of_saved};
use super::wallet::{WalletAccount, check_mode, patient, timed};
use super::{Answer, App, AppError, Key, Served, commit};
use crate::app::audit_log;
use crate::domain::audit_log::Action;
use crate::domain::customer::Customer;
use crate::domain::ids::{CustomerId, MerchantId, PaymentMethodId, ProviderAccountId};
use crate::domain::payment_method::{Mandate, MethodState, PaymentMethod};
use crate::domain::snapshot::PaymentMethodSnapshot;
use crate::store;

/// How many methods of one customer are shown at most: as many as are read.
const MOST: i64 = 1_000;

/// A method, and whether it is the one to take where nobody names one.
#[derive(Clone, Debug)]
pub struct MethodDetail {
    /// The method.
    pub method: PaymentMethod,
    /// Whether it is its customer's default.
    pub is_default: bool,
}

impl MethodDetail {
    fn of(method: PaymentMethod, customer: &Customer) -> Self {
        Self {
            is_default: customer.default_payment_method == Some(method.id),
            method,
        }
    }
}

/// The methods of a customer that can be used, newest first; `fresh` reads them from the provider first.
pub async fn list(
    app: &App,
    caller: &Caller,
    id: CustomerId,
    fresh: bool,
) -> Result<Vec<MethodDetail>, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let mut customer = get_of_mode(app, &mut conn, caller, id).await?;
    if fresh {
        drop(conn);
        patient(app, refresh(app, &customer)).await?;
        conn = app.db.read(caller.merchant_id).await?;
        customer = store::customers::get(&mut conn, caller.merchant_id, id).await?;
    }
    let methods = store::payment_methods::list_attached(&mut conn, caller.merchant_id, id, MOST).await?;
    let details = methods
        .into_iter()
        .map(|method| MethodDetail::of(method, &customer));
    Ok(details.collect())
}

/// One method.
pub async fn get(app: &App, caller: &Caller, id: PaymentMethodId) -> Result<MethodDetail, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let method = get_method_of_mode(app, &mut conn, caller, id).await?;
    let customer = store::customers::get(&mut conn, caller.merchant_id, method.customer_id).await?;
    Ok(MethodDetail::of(method, &customer))
}

/// What a method may be debited under; `fresh` reads it from the provider first.
///
/// # Errors
/// [`AppError::NotFound`] where it needs none.
pub async fn mandate(
    app: &App,
    caller: &Caller,
    id: PaymentMethodId,
    fresh: bool,
) -> Result<Mandate, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let mut method = get_method_of_mode(app, &mut conn, caller, id).await?;
    let Some(held) = method.mandate.clone() else {
        return Err(AppError::NotFound("mandate"));
    };
    if !fresh {
        return Ok(held);
    }
    let at = WalletAccount::get(app, &mut conn, method.merchant_id, method.provider_account_id).await?;
    drop(conn);
    let read = at.wallet()?.fetch_mandate(at.account(), &held.provider_reference);
    let said = patient(app, async { read.await.map_err(AppError::Provider) }).await?;
    let mut tx = app.begin(caller.merchant_id).await?;
    method = store::payment_methods::lock(&mut tx, caller.merchant_id, id).await?;
    method.take_mandate(&said);
    method.updated_at = app.clock.now();
    store::payment_methods::update(&mut tx, &method).await?;
    commit(tx).await?;
    method.mandate.ok_or(AppError::NotFound("mandate"))
}

/// Makes a method the one to take where nobody names one.
///
/// # Errors
/// [`AppError::MethodDetached`] where it can never be used again.
#[tracing::instrument(name = "app.payment_method.set_default", skip_all,
    fields(merchant_id = %caller.merchant_id, payment_method_id = %id))]
pub async fn set_default(
    app: &App,
    caller: &Caller,
    key: Key,
    render: fn(&MethodDetail) -> Answer,
    id: PaymentMethodId,
) -> Result<Served, AppError> {
    let merchant = caller.merchant_id;
    key.once(app, merchant, async |_| {
        let mut tx = app.begin(merchant).await?;
        let seen = get_method_of_mode(app, &mut tx, caller, id).await?;
        let mut customer = store::customers::lock(&mut tx, merchant, seen.customer_id).await?;
        let method = store::payment_methods::lock(&mut tx, merchant, id).await?;
        if method.state == MethodState::Detached {
            return Err(AppError::MethodDetached);
        }
        customer.default_payment_method = Some(id);
        customer.updated_at = app.clock.now();
        store::customers::update(&mut tx, &customer).await?;
        let answer = render(&MethodDetail::of(method, &customer));
        key.finish(app, &mut tx, merchant, &answer).await?;
        audit_log::record(
            app,
            &mut tx,
            merchant,
            &caller.actor(),
            (Action::MethodDefault, &id),
            &json!({}),
        )
        .await?;
        commit(tx).await?;
        Ok((answer, Duration::ZERO))
    })
    .await
}

/// Takes a method from its customer, for ever.
#[tracing::instrument(name = "app.payment_method.detach", skip_all,
    fields(merchant_id = %caller.merchant_id, payment_method_id = %id))]
pub async fn detach(
    app: &App,
    caller: &Caller,
    key: Key,
    render: fn(&MethodDetail) -> Answer,
    id: PaymentMethodId,
) -> Result<Served, AppError> {
    let merchant = caller.merchant_id;
    key.once(app, merchant, async |call| {
        let mut spent = Duration::ZERO;
        let mut conn = app.db.read(merchant).await?;
        let method = get_method_of_mode(app, &mut conn, caller, id).await?;
        let at = WalletAccount::get(app, &mut conn, method.merchant_id, method.provider_account_id).await?;
        drop(conn);
        if method.state == MethodState::Attached {
            at.check_authorized()?;
            let detach = at
                .wallet()?
                .detach_method(at.account(), call, &method.provider_reference);
            timed(&mut spent, detach).await.map_err(AppError::Provider)?;
        }
        let mut tx = app.begin(merchant).await?;
        let customer = store::customers::lock(&mut tx, merchant, method.customer_id).await?;
        let (method, customer) = let_go(app, &mut tx, customer, id).await?;
        let answer = render(&MethodDetail::of(method, &customer));
        key.finish(app, &mut tx, merchant, &answer).await?;
        audit_log::record(
            app,
            &mut tx,
            merchant,
            &caller.actor(),
            (Action::MethodDetach, &id),
            &json!({}),
        )
        .await?;
        commit(tx).await?;
        Ok((answer, spent))
    })
    .await
}

/// Takes in a method as it was when a read of it began; none where it is of no customer of ours.
pub(super) async fn learn_as_of(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    customer_reference: &str,
    said: &PaymentMethodSnapshot,
    read_at: OffsetDateTime,
) -> Result<Option<PaymentMethod>, AppError> {
    let found =
        store::customers::find_by_provider_reference(conn, merchant, account, customer_reference).await?;
    let Some(customer) = found else {
        return Ok(None);
    };
    let customer = store::customers::lock(conn, merchant, customer).await?;
    let reference = said.provider_reference.as_str();
    let mut is_new = false;
    if said.customer_reference.is_some() {
        let new = new_method(&customer, said, read_at, app.clock.now());
        is_new = store::payment_methods::insert(conn, &new).await?;
    }
    let held = store::payment_methods::find_by_provider_reference(conn, merchant, account, reference).await?;
    let Some(held) = held.filter(|held| held.customer_id == customer.id) else {
        return Ok(None);
    };
    let mut method = store::payment_methods::lock(conn, merchant, held.id).await?;
    let has_changed = method.take_in(said, read_at);
    if has_changed {
        method.touch(app.clock.now());
    }
    store::payment_methods::update(conn, &method).await?;
    if is_new {
        tell_of_saved(app, conn, &method).await?;
    } else if has_changed {
        tell_method(app, conn, &method).await?;
    }
    if method.state == MethodState::Detached {
        let_go(app, conn, customer, method.id).await?;
    }
    Ok(Some(method))
}

fn new_method(
    customer: &Customer,
    said: &PaymentMethodSnapshot,
    read_at: OffsetDateTime,
    now: OffsetDateTime,
) -> PaymentMethod {
    PaymentMethod {
        merchant_id: customer.merchant_id,
        id: PaymentMethodId::generate(),
        provider_account_id: customer.provider_account_id,
        customer_id: customer.id,
        provider_reference: said.provider_reference.clone(),
        state: MethodState::Attached,
        face: said.face.clone(),
        mandate: None,
        version: 0,
        read_at,
        created_at: now,
        updated_at: now,
    }
}

/// Notes that a method is nobody's any more: then it is nobody's default either. The caller holds the customer.
pub(super) async fn let_go(
    app: &App,
    conn: &mut PgConnection,
    mut customer: Customer,
    id: PaymentMethodId,
) -> Result<(PaymentMethod, Customer), AppError> {
    let now = app.clock.now();
    let mut method = store::payment_methods::lock(conn, customer.merchant_id, id).await?;
    if method.state == MethodState::Attached {
        method.state = MethodState::Detached;
        method.touch(now);
        store::payment_methods::update(conn, &method).await?;
        tell_method(app, conn, &method).await?;
    }
    if customer.default_payment_method == Some(id) {
        customer.default_payment_method = None;
        customer.updated_at = now;
        store::customers::update(conn, &customer).await?;
    }
    Ok((method, customer))
}

/// Reads a customer's methods from the provider: takes in those that are there, and lets go of those that are not.
async fn refresh(app: &App, customer: &Customer) -> Result<(), AppError> {
    let Some(reference) = customer.provider_reference.as_deref() else {
        return Ok(());
    };
    let (merchant, account) = (customer.merchant_id, customer.provider_account_id);
    let began_at = app.clock.now();
    let mut conn = app.db.read(merchant).await?;
    let at = WalletAccount::get(app, &mut conn, merchant, account).await?;
    drop(conn);
    let said = at.wallet()?.list_methods(at.account(), reference).await;
    let said = said.map_err(AppError::Provider)?;

    let mut tx = app.begin(merchant).await?;
    for method in &said {
        learn_as_of(app, &mut tx, (merchant, account), reference, method, began_at).await?;
    }
    let there: HashSet<&str> = said
        .iter()
        .map(|method| method.provider_reference.as_str())
        .collect();
    for held in store::payment_methods::list_attached(&mut tx, merchant, customer.id, MOST).await? {
        // What was learned since the read began is newer than the read.
        if held.read_at < began_at && !there.contains(held.provider_reference.as_str()) {
            let customer = store::customers::lock(&mut tx, merchant, customer.id).await?;
            let_go(app, &mut tx, customer, held.id).await?;
        }
    }
    commit(tx).await
}

/// A method that the caller may see.
pub(super) async fn get_method_of_mode(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    id: PaymentMethodId,
) -> Result<PaymentMethod, AppError> {
    let found = store::payment_methods::get(conn, caller.merchant_id, id).await;
    let method = found.map_err(no("payment method"))?;
    check_mode(app, conn, caller, method.provider_account_id, "payment method").await?;
    Ok(method)
}
