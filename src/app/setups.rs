//! Setups: a customer leaves a payment method for later, without a charge.

use serde_json::json;
use std::time::Duration;

use sqlx::PgConnection;

use super::apply::READS;
use super::auth::Caller;
use super::customers::{ensure, get_of_mode};
use super::error::no;
use super::news::tell_setup;
use super::payment_methods::{get_method_of_mode, learn_as_of};
use super::wallet::{WalletAccount, check_mode, patient, timed};
use super::webhooks::end_with;
use super::{Answer, App, AppError, Key, Served, commit};
use crate::app::audit_log;
use crate::domain::audit_log::Action;
use crate::domain::ids::{CustomerId, MerchantId, PaymentMethodId, SetupId};
use crate::domain::payment::{Decline, Reference};
use crate::domain::payment_method::MethodState;
use crate::domain::setup::{Setup, SetupState, SetupTerms, Usage};
use crate::domain::snapshot::{Said, SetupSnapshot};
use crate::provider::{Ambiguity, NewSetup, ProviderError};
use crate::store;
use crate::store::webhook_events::{Ended, WebhookEvent};

/// What a caller asks a customer for.
#[derive(Clone, Debug)]
pub struct SetupWish {
    /// Who leaves a method.
    pub customer: CustomerId,
    /// The caller's own reference of it.
    pub reference: Option<Reference>,
    /// Whether they will be there when it is used.
    pub usage: Usage,
    /// A method of ours to save for that usage, in the place of [`SetupTerms::payment_method`].
    pub payment_method: Option<PaymentMethodId>,
    /// What they are asked with.
    pub terms: SetupTerms,
}

/// A setup with what a browser needs beside it.
#[derive(Clone, Debug)]
pub struct SetupDetail {
    /// The setup.
    pub setup: Setup,
    /// The key that the customer's browser uses.
    pub publishable_key: Option<String>,
}

impl SetupDetail {
    async fn load(app: &App, conn: &mut PgConnection, setup: Setup) -> Result<Self, AppError> {
        let known = app
            .accounts
            .get(app, conn, setup.merchant_id, setup.provider_account_id)
            .await?;
        Ok(Self {
            publishable_key: known.account.publishable_key.clone(),
            setup,
        })
    }
}

/// Asks a customer to leave a payment method.
#[tracing::instrument(name = "app.setup.create", skip_all, fields(merchant_id = %caller.merchant_id))]
pub async fn create(
    app: &App,
    caller: &Caller,
    key: Key,
    render: fn(&SetupDetail) -> Answer,
    mut wish: SetupWish,
) -> Result<Served, AppError> {
    let merchant = caller.merchant_id;
    key.once(app, merchant, async |call| {
        let mut spent = Duration::ZERO;
        resolve_method(app, caller, &mut wish).await?;
        let customer = ensure(app, merchant, wish.customer, &mut spent).await?;
        let setup = begin(app, merchant, SetupId::from(call.uuid()), &wish).await?;
        let said = start(
            app,
            &setup,
            customer.provider_reference.as_deref().unwrap_or_default(),
            &wish.terms,
            &mut spent,
        )
        .await?;
        let mut tx = app.begin(merchant).await?;
        let mut setup = store::setups::lock(&mut tx, &app.sealer, merchant, setup.id).await?;
        match said {
            Some(said) => take_in(app, &mut tx, &mut setup, &said).await?,
            None => give_up(app, &mut tx, &mut setup).await?,
        }
        let answer = render(&SetupDetail::load(app, &mut tx, setup).await?);
        key.finish(app, &mut tx, merchant, &answer).await?;
        audit_log::record(
            app,
            &mut tx,
            merchant,
            &caller.actor(),
            (Action::SetupCreate, &SetupId::from(call.uuid())),
            &json!({}),
        )
        .await?;
        commit(tx).await?;
        Ok((answer, spent))
    })
    .await
}

/// One setup as we hold it; `fresh` reads it from the provider first, as long as a caller can wait.
pub async fn get(app: &App, caller: &Caller, id: SetupId, fresh: bool) -> Result<SetupDetail, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let found = store::setups::get(&mut conn, &app.sealer, caller.merchant_id, id).await;
    let mut setup = found.map_err(no("setup"))?;
    check_mode(app, &mut conn, caller, setup.provider_account_id, "setup").await?;
    if let Some(reference) = setup.provider_reference.clone().filter(|_| fresh) {
        drop(conn);
        patient(app, refresh(app, caller.merchant_id, id, &reference, None)).await?;
        conn = app.db.read(caller.merchant_id).await?;
        setup = store::setups::get(&mut conn, &app.sealer, caller.merchant_id, id).await?;
    }
    SetupDetail::load(app, &mut conn, setup).await
}

/// Reads a setup from its provider and takes in what it says; with `event`, ends that event in the same transaction.
///
/// A read counts only if nothing else was learned of the setup since it began; otherwise it is made again.
#[tracing::instrument(name = "app.setup.refresh", skip_all, fields(setup_id = %id))]
pub(super) async fn refresh(
    app: &App,
    merchant: MerchantId,
    id: SetupId,
    reference: &str,
    event: Option<&WebhookEvent>,
) -> Result<(), AppError> {
    for _ in 0..READS {
        let mut conn = app.db.read(merchant).await?;
        let held = store::setups::get(&mut conn, &app.sealer, merchant, id).await?;
        let at = WalletAccount::get(app, &mut conn, held.merchant_id, held.provider_account_id).await?;
        drop(conn);
        let said = at.wallet()?.fetch_setup(at.account(), reference).await;
        let said = said.map_err(AppError::Provider)?;

        let mut tx = app.begin(merchant).await?;
        let mut setup = store::setups::lock(&mut tx, &app.sealer, merchant, id).await?;
        if setup.version != held.version {
            continue;
        }
        take_in(app, &mut tx, &mut setup, &said).await?;
        return match event {
            Some(event) => end_with(app, tx, event, Ended::Applied).await,
            None => commit(tx).await,
        };
    }
    Err(AppError::in_flight())
}

/// The customer and the method that are named must be the caller's, and the method the customer's.
async fn resolve_method(app: &App, caller: &Caller, wish: &mut SetupWish) -> Result<(), AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let customer = get_of_mode(app, &mut conn, caller, wish.customer).await?;
    let Some(id) = wish.payment_method else {
        return Ok(());
    };
    let method = get_method_of_mode(app, &mut conn, caller, id).await?;
    if method.customer_id != customer.id {
        return Err(AppError::NotFound("payment method"));
    }
    if method.state == MethodState::Detached {
        return Err(AppError::MethodDetached);
    }
    wish.terms.payment_method = Some(method.provider_reference);
    Ok(())
}

/// Writes the row, unless an earlier request under the key did: before the provider is asked, so that nothing that it makes
/// is unknown here.
async fn begin(app: &App, merchant: MerchantId, id: SetupId, wish: &SetupWish) -> Result<Setup, AppError> {
    let now = app.clock.now();
    let mut tx = app.begin(merchant).await?;
    let customer = store::customers::get(&mut tx, merchant, wish.customer).await?;
    let setup = Setup {
        merchant_id: merchant,
        id,
        provider_account_id: customer.provider_account_id,
        customer_id: customer.id,
        reference: wish.reference.clone(),
        state: SetupState::Created,
        usage: wish.usage,
        provider_reference: None,
        client_secret: None,
        next_action: None,
        decline: None,
        payment_method: None,
        version: 0,
        first_sent_at: now,
        created_at: now,
        updated_at: now,
    };
    store::setups::insert(&mut tx, &setup).await?;
    let setup = store::setups::get(&mut tx, &app.sealer, merchant, id).await?;
    commit(tx).await?;
    Ok(setup)
}

/// Has the provider start the setup, or reads what it made of it before. `None` where it failed for good.
async fn start(
    app: &App,
    setup: &Setup,
    customer_reference: &str,
    terms: &SetupTerms,
    spent: &mut Duration,
) -> Result<Option<SetupSnapshot>, AppError> {
    let mut conn = app.db.read(setup.merchant_id).await?;
    let at = WalletAccount::get(app, &mut conn, setup.merchant_id, setup.provider_account_id).await?;
    drop(conn);
    at.check_open()?;
    let (wallet, account) = (at.wallet()?, at.account());
    let new = NewSetup {
        setup,
        customer_reference,
        terms,
    };
    let now = app.clock.now();
    let asked = timed(spent, async {
        if let Some(reference) = &setup.provider_reference {
            return wallet.fetch_setup(account, reference).await.map(Some);
        }
        if setup.key_is_old(now)
            && let Some(said) = wallet.find_setup(account, new).await?
        {
            return Ok(Some(said));
        }
        match wallet.start_setup(account, new).await {
            Ok(said) => Ok(Some(said)),
            Err(ProviderError::Ambiguous {
                ambiguity: Ambiguity::Stored,
                ..
            }) => wallet.find_setup(account, new).await,
            Err(error) => Err(error),
        }
    });
    asked.await.map_err(AppError::Provider)
}

/// Takes in what the provider says of a setup whose row the caller holds, and the method that it saved.
async fn take_in(
    app: &App,
    conn: &mut PgConnection,
    setup: &mut Setup,
    said: &SetupSnapshot,
) -> Result<(), AppError> {
    let now = app.clock.now();
    let before = (setup.state, setup.decline.clone(), setup.payment_method);
    setup.take_in(said, now);
    if let (Said::Known(SetupState::Succeeded), Some(method)) = (&said.state, &said.method) {
        let (merchant, account) = (setup.merchant_id, setup.provider_account_id);
        let customer = store::customers::get(conn, merchant, setup.customer_id).await?;
        let reference = customer.provider_reference.as_deref().unwrap_or_default();
        let saved = learn_as_of(app, conn, (merchant, account), reference, method, now).await?;
        setup.payment_method = saved.map(|method| method.id).or(setup.payment_method);
    }
    store::setups::update(conn, &app.sealer, setup).await?;
    if before != (setup.state, setup.decline.clone(), setup.payment_method) {
        tell_setup(app, conn, setup).await?;
    }
    Ok(())
}

/// The provider keeps a failure under the key and nothing else: under this key there will be nothing.
async fn give_up(app: &App, conn: &mut PgConnection, setup: &mut Setup) -> Result<(), AppError> {
    if setup.provider_reference.is_some() {
        return Ok(());
    }
    setup.state = SetupState::Failed;
    setup.decline = Some(Decline {
        code: "provider_failed".to_owned(),
        message: "The payment provider failed. Please try again.".to_owned(),
    });
    setup.touch(app.clock.now());
    store::setups::update(conn, &app.sealer, setup).await?;
    tell_setup(app, conn, setup).await
}
