//! Customers: one per merchant, provider account and partner, however many ask for it at once.

use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::auth::Caller;
use super::error::no;
use super::page::one_more;
use super::payments::choose_account;
use super::wallet::{WalletAccount, check_mode, timed};
use super::{Answer, App, AppError, Key, Page, Served, commit};
use crate::app::audit_log;
use crate::domain::audit_log::Action;
use crate::domain::customer::{Customer, Partner, Person};
use crate::domain::ids::{CustomerId, MerchantId, OperationId, ProviderAccountId};
use crate::domain::snapshot::CustomerSnapshot;
use crate::provider::{Ambiguity, ProviderError};
use crate::store;

/// How often the provider is asked in one request: under a new key, or of what changed meanwhile.
const ATTEMPTS: usize = 5;

/// What a caller knows of a partner.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// Where they pay; may be left out where the merchant has one account of the key's mode.
    pub provider_account: Option<ProviderAccountId>,
    /// The caller's own, stable name of the partner.
    pub partner: Partner,
    /// What is known of the person; what is left out stays as it is.
    pub person: Person,
    /// The merchant's own notes; all of them, where they are given.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Makes a partner's customer, or changes what is known of it, here and at the provider.
#[tracing::instrument(name = "app.customer.put", skip_all, fields(merchant_id = %caller.merchant_id))]
pub async fn put(
    app: &App,
    caller: &Caller,
    key: Key,
    render: fn(&Customer) -> Answer,
    new: NewCustomer,
) -> Result<Served, AppError> {
    let merchant = caller.merchant_id;
    key.once(app, merchant, async |_| {
        let mut spent = Duration::ZERO;
        let id = name(app, caller, &new).await?;
        ensure(app, merchant, id, &mut spent).await?;
        tell(app, merchant, id, &new, &mut spent).await?;
        let mut tx = app.begin(merchant).await?;
        let answer = render(&store::customers::get(&mut tx, merchant, id).await?);
        key.finish(app, &mut tx, merchant, &answer).await?;
        audit_log::record(
            app,
            &mut tx,
            merchant,
            &caller.actor(),
            (Action::CustomerPut, &id),
            &json!({}),
        )
        .await?;
        commit(tx).await?;
        Ok((answer, spent))
    })
    .await
}

/// One customer.
pub async fn get(app: &App, caller: &Caller, id: CustomerId) -> Result<Customer, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    get_of_mode(app, &mut conn, caller, id).await
}

/// Customers of the caller's mode, newest first, older than `before`; those of one partner where it is named.
pub async fn list(
    app: &App,
    caller: &Caller,
    partner: Option<&str>,
    before: Option<CustomerId>,
    limit: u16,
) -> Result<Page<Customer>, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let (merchant, live) = (caller.merchant_id, caller.live);
    let found = store::customers::list(&mut conn, merchant, live, partner, before, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// A customer that the caller may see.
pub(super) async fn get_of_mode(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    id: CustomerId,
) -> Result<Customer, AppError> {
    let found = store::customers::get(conn, caller.merchant_id, id).await;
    let customer = found.map_err(no("customer"))?;
    check_mode(app, conn, caller, customer.provider_account_id, "customer").await?;
    Ok(customer)
}

/// Writes the partner's row, unless it is there: before the provider is asked, so that its id is the provider's key.
async fn name(app: &App, caller: &Caller, new: &NewCustomer) -> Result<CustomerId, AppError> {
    let mut tx = app.begin(caller.merchant_id).await?;
    let chosen = choose_account(&mut tx, app, caller, new.provider_account).await?;
    let account = chosen.account.id;
    WalletAccount::get(app, &mut tx, caller.merchant_id, account)
        .await?
        .wallet()?;
    let now = app.clock.now();
    let customer = Customer {
        merchant_id: caller.merchant_id,
        id: CustomerId::generate(),
        provider_account_id: account,
        partner: new.partner.clone(),
        person: new.person.clone(),
        metadata: new.metadata.clone().unwrap_or_default(),
        provider_reference: None,
        default_payment_method: None,
        creation_key: None,
        first_sent_at: now,
        version: 0,
        told_version: 0,
        created_at: now,
        updated_at: now,
    };
    store::customers::insert(&mut tx, &customer).await?;
    let merchant = caller.merchant_id;
    let held = store::customers::lock_of_partner(&mut tx, merchant, account, &new.partner).await?;
    commit(tx).await?;
    Ok(held.id)
}

/// The customer, known to the provider.
pub(super) async fn ensure(
    app: &App,
    merchant: MerchantId,
    id: CustomerId,
    spent: &mut Duration,
) -> Result<Customer, AppError> {
    for _ in 0..ATTEMPTS {
        let mut conn = app.db.read(merchant).await?;
        let customer = store::customers::get(&mut conn, merchant, id).await?;
        if customer.provider_reference.is_some() {
            return Ok(customer);
        }
        let at =
            WalletAccount::get(app, &mut conn, customer.merchant_id, customer.provider_account_id).await?;
        drop(conn);
        let asked = timed(spent, make(&at, &customer, app.clock.now())?);
        let said = asked.await.map_err(AppError::Provider)?;

        let mut tx = app.begin(merchant).await?;
        let mut held = store::customers::lock(&mut tx, merchant, id).await?;
        match said {
            Some(said) => {
                held.provider_reference.get_or_insert(said.provider_reference);
            }
            // Nothing was made, and under this key nothing will be.
            None if held.key() == customer.key() => {
                held.creation_key = Some(OperationId::generate());
                held.first_sent_at = app.clock.now();
            }
            None => {}
        }
        store::customers::update(&mut tx, &held).await?;
        commit(tx).await?;
    }
    Err(AppError::in_flight())
}

/// Has the provider make the customer. `None` where it did not, and a new key is needed.
fn make<'a>(
    at: &'a WalletAccount,
    customer: &'a Customer,
    now: OffsetDateTime,
) -> Result<impl Future<Output = Result<Option<CustomerSnapshot>, ProviderError>> + 'a, AppError> {
    let wallet = at.wallet()?;
    Ok(async move {
        if customer.key_is_old(now) {
            return wallet.find_customer(at.account(), customer).await;
        }
        match wallet.create_customer(at.account(), customer).await {
            Ok(said) => Ok(Some(said)),
            Err(ProviderError::Ambiguous {
                ambiguity: Ambiguity::Stored,
                ..
            }) => wallet.find_customer(at.account(), customer).await,
            Err(error) => Err(error),
        }
    })
}

/// Takes in what the caller knows, and has the provider hear of it. Who was overtaken meanwhile tells the newest once more,
/// since nobody knows which telling arrived last.
async fn tell(
    app: &App,
    merchant: MerchantId,
    id: CustomerId,
    new: &NewCustomer,
    spent: &mut Duration,
) -> Result<(), AppError> {
    let mut tx = app.begin(merchant).await?;
    let mut customer = store::customers::lock(&mut tx, merchant, id).await?;
    if customer.learn(&new.person, new.metadata.as_ref()) {
        customer.updated_at = app.clock.now();
        store::customers::update(&mut tx, &customer).await?;
    }
    let at = WalletAccount::get(app, &mut tx, customer.merchant_id, customer.provider_account_id).await?;
    commit(tx).await?;
    if customer.told_version >= customer.version {
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        let key = OperationId::generate();
        let update = at.wallet()?.update_customer(at.account(), key, &customer);
        timed(spent, update).await.map_err(AppError::Provider)?;
        let mut tx = app.begin(merchant).await?;
        let mut held = store::customers::lock(&mut tx, merchant, id).await?;
        let overtaken = held.version != customer.version;
        held.told_version = customer.version;
        store::customers::update(&mut tx, &held).await?;
        commit(tx).await?;
        if !overtaken {
            return Ok(());
        }
        customer = held;
    }
    Err(AppError::in_flight())
}
