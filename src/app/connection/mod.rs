//! An Odoo with our addon connects itself, and is told how its connection stands.
//!
//! All that is written is written in one transaction, which holds the merchant and the account: who connects twice, or at once, finds
//! what the other made. The provider is asked for an endpoint after that; that it could not be asked costs nobody the connection.

mod health;

use std::sync::Arc;

use serde_json::json;
use sqlx::PgConnection;
use time::Duration;
use url::Url;

use super::auth::{Caller, NamedDatabase};
use super::payments::choose_account;
use super::setup::odoo_instances::check_address;
use super::{App, AppError, audit_log, commit, endpoints, postings};
use crate::crypto::random;
use crate::domain::api_key::Binding;
use crate::domain::audit_log::Action;
use crate::domain::ids::{OdooInstanceId, ProviderAccountId};
use crate::domain::signing_secret::SigningSecret;
use crate::store;
use crate::store::odoo_instances::AddonSide;

pub use health::{Connection, Webhook, WebhookState};

/// How long an earlier secret signs beside the one that follows it.
const OVERLAP: Duration = Duration::days(1);

/// What an Odoo asks for when it connects.
#[derive(Debug)]
pub struct Wish {
    /// Which one it is, and where it takes messages.
    pub side: AddonSide,
    /// The account that it takes money at; the merchant's only one of the key's mode where none is named.
    pub provider_account: Option<ProviderAccountId>,
    /// Whether its messages are signed with a new secret from now on.
    pub new_secret: bool,
    /// Where the provider reaches us, where the webhook endpoint is to be registered.
    pub endpoint_at: Option<Url>,
}

/// Connects an Odoo with our addon: finds or makes its instance, binds the caller's key to it, gives it a secret where it needs one,
/// lets it keep the account's books, and registers the webhook endpoint where that is wished. Safe to repeat.
///
/// # Errors
/// [`AppError::DatabaseMismatch`] where the key is another database's; [`AppError::Refused`] where it is another company's, or a stock
/// Odoo keeps the account's books; [`AppError::Invalid`] for an address that is not allowed; [`AppError::NotFound`].
#[tracing::instrument(name = "app.connection.connect", skip_all, fields(merchant_id = %caller.merchant_id))]
pub async fn connect(
    app: &Arc<App>,
    caller: &Caller,
    named: NamedDatabase<'_>,
    wish: &Wish,
) -> Result<Connection, AppError> {
    check_database(caller, named, wish)?;
    check_address(app, &wish.side.url).await?;
    let merchant = caller.merchant_id;
    let account = {
        let mut conn = app.db.read(merchant).await?;
        choose_account(&mut conn, app, caller, wish.provider_account).await?
    };
    let account = account.account.id;
    if let Some(base) = &wish.endpoint_at {
        let checked = endpoints::check_base(app, merchant, account, base).await;
        checked.map_err(|error| at_field("service_url", error))?;
    }
    let (binding, secret) = write(app, caller, account, wish).await?;
    app.keys.forget_all();
    app.bell.notify_waiters();
    let trouble = match &wish.endpoint_at {
        None => None,
        Some(base) => {
            let registered = endpoints::connect(app, merchant, account, base, &caller.actor()).await;
            registered.err().map(|error| error.told())
        }
    };
    let mut connection = health::read(app, caller, &binding).await?;
    if connection.keeps_books {
        catch_up(app, caller, account);
    }
    connection.signing_secret = secret;
    let trouble = trouble.map(|trouble| format!("the endpoint could not be registered: {trouble}"));
    connection.webhook.problems.extend(trouble);
    Ok(connection)
}

/// How the connection stands that the caller's key belongs to.
///
/// # Errors
/// [`AppError::NotFound`] where none was connected with it.
pub async fn get(app: &App, caller: &Caller) -> Result<Connection, AppError> {
    let binding = caller.binding.as_ref();
    health::read(
        app,
        caller,
        binding.ok_or(AppError::NotFound("connection of this key"))?,
    )
    .await
}

/// The database that connects must be the one that the request comes from, and the one that the key was connected from before.
fn check_database(caller: &Caller, named: NamedDatabase<'_>, wish: &Wish) -> Result<(), AppError> {
    let wanted = wish.side.database.as_str();
    let comes_from_there = match named {
        NamedDatabase::Unnamed => true,
        NamedDatabase::Named(name) => name == wanted,
        NamedDatabase::Unreadable => false,
    };
    let bound = caller.binding.as_ref();
    if comes_from_there && bound.is_none_or(|bound| bound.database == wanted) {
        Ok(())
    } else {
        Err(AppError::DatabaseMismatch)
    }
}

/// The same error at the field of the request in which it came.
fn at_field(field: &'static str, error: AppError) -> AppError {
    if let AppError::Invalid { code, message, .. } = error {
        return AppError::Invalid { field, code, message };
    }
    error
}

fn refused(code: &'static str, message: String) -> AppError {
    AppError::Refused { code, message }
}

async fn write(
    app: &App,
    caller: &Caller,
    account: ProviderAccountId,
    wish: &Wish,
) -> Result<(Binding, Option<SigningSecret>), AppError> {
    let (merchant, now) = (caller.merchant_id, app.clock.now());
    let mut tx = app.begin(merchant).await?;
    store::merchants::lock(&mut tx, merchant).await?;
    store::provider_accounts::lock(&mut tx, merchant, account).await?;
    let key = store::api_keys::lock(&mut tx, merchant, caller.key_id).await?;
    check_books(&mut tx, caller, account).await?;
    let found = store::odoo_instances::find_addon(&mut tx, merchant, &wish.side).await?;
    let instance = found.unwrap_or_else(OdooInstanceId::generate);
    if let Some(bound) = &key.binding {
        check_bound(bound, instance, wish)?;
    }
    store::odoo_instances::upsert_addon(&mut tx, merchant, instance, &wish.side, now).await?;
    let binding = Binding {
        odoo_instance: instance,
        database: wish.side.database.clone(),
        provider_account: account,
    };
    if key.binding.as_ref() != Some(&binding) {
        store::api_keys::bind(&mut tx, merchant, caller.key_id, &binding).await?;
    }
    let secret = if found.is_none() || wish.new_secret {
        let secret = SigningSecret::new(&random()?);
        store::signing_secrets::end(&mut tx, merchant, instance, now + OVERLAP).await?;
        store::signing_secrets::insert(&mut tx, &app.sealer, merchant, instance, &secret, now).await?;
        Some(secret)
    } else {
        None
    };
    let keeps_books = keep_books(app, &mut tx, caller, account, instance).await?;
    let detail = json!({
        "provider_account": account, "created": found.is_none(), "new_secret": secret.is_some(), "keeps_books": keeps_books,
    });
    let act = (Action::InstanceConnect, &instance as _);
    audit_log::record(app, &mut tx, merchant, &caller.actor(), act, &detail).await?;
    commit(tx).await?;
    tracing::info!(odoo_instance_id = %instance, created = found.is_none(), "an odoo was connected");
    Ok((binding, secret))
}

/// A key is one company's: what its payments go to is never changed under it.
fn check_bound(bound: &Binding, instance: OdooInstanceId, wish: &Wish) -> Result<(), AppError> {
    if bound.database != wish.side.database {
        return Err(AppError::DatabaseMismatch);
    }
    if bound.odoo_instance != instance {
        let message = format!(
            "the API key is bound to another company, {}; make one for this company",
            bound.odoo_instance
        );
        return Err(refused("company_mismatch", message));
    }
    Ok(())
}

/// Refuses an account whose journals are mapped in a stock Odoo. The caller holds the account.
async fn check_books(
    conn: &mut PgConnection,
    caller: &Caller,
    account: ProviderAccountId,
) -> Result<(), AppError> {
    let mapped = store::odoo_journals::list_instances(conn, caller.merchant_id, account).await?;
    let Some(keeper) = mapped.values().min() else {
        return Ok(());
    };
    let message =
        format!("the books of {account} are kept in {keeper}, a stock Odoo: its journals are mapped there");
    Err(refused("books_kept_elsewhere", message))
}

/// Lets an instance keep an account's books, unless another one with our addon does that is in use: the first one stays, so that no copy
/// of a database takes them. Whether this one keeps them.
async fn keep_books(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    account: ProviderAccountId,
    instance: OdooInstanceId,
) -> Result<bool, AppError> {
    let merchant = caller.merchant_id;
    if let Some(keeper) = store::book_keepers::find(conn, merchant, account).await? {
        if keeper == instance {
            return Ok(true);
        }
        let other = store::odoo_instances::show(conn, merchant, keeper).await?;
        if other.disabled_at.is_none() {
            return Ok(false);
        }
    }
    store::book_keepers::upsert(conn, merchant, account, instance, app.clock.now()).await?;
    Ok(true)
}

/// Queues what was booked before anybody kept the account's books, without its caller. Whoever connects again has it done again, so that
/// nothing is lost with this process.
fn catch_up(app: &Arc<App>, caller: &Caller, account: ProviderAccountId) {
    let (work, merchant) = (Arc::clone(app), caller.merchant_id);
    app.spawn(async move {
        match postings::catch_up(&work, merchant, account).await {
            Ok(queued) => tracing::info!(queued, provider_account_id = %account, "what was booked before is on its way to Odoo"),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, provider_account_id = %account,
                "what was booked before could not be queued for Odoo"),
        }
    });
}
