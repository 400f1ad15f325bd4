//! How a connection stands: what is looked at first where money or news do not arrive.

use std::time::Duration;

use time::OffsetDateTime;

use crate::app::auth::Caller;
use crate::app::endpoints::{self, Finding};
use crate::app::{App, AppError};
use crate::domain::api_key::Binding;
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::scope::{Preset, Scope};
use crate::domain::signing_secret::SigningSecret;
use crate::store;
use crate::store::odoo_instances::ShownInstance;
use crate::store::provider_accounts::ShownAccount;
use crate::store::webhook_endpoints::EndpointState;
use crate::store::{outbox, webhook_events};

/// How long the provider is waited for: what it does not say by then is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether an account's events reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// An endpoint leads here, and what it sends can be proven.
    Registered,
    /// None does, or what comes cannot be proven.
    Missing,
    /// The provider could not be asked, and we registered none ourselves.
    Unknown,
}

/// How an account's webhooks stand.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Whether events reach us.
    pub state: WebhookState,
    /// Where the endpoint sends that we registered.
    pub url: Option<String>,
    /// What is wrong with them, in words with what to do.
    pub problems: Vec<String>,
    /// When one was last delivered.
    pub last_event_at: Option<OffsetDateTime>,
}

/// A connection, and how all that it needs stands.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Whether real money moves.
    pub live: bool,
    /// The Odoo, and whether and why it rests.
    pub instance: ShownInstance,
    /// What messages are signed with, where that was made just now.
    pub signing_secret: Option<SigningSecret>,
    /// The account at the provider.
    pub account: ShownAccount,
    /// Whether this Odoo keeps its books.
    pub keeps_books: bool,
    /// What time it is here.
    pub server_time: OffsetDateTime,
    /// In which version of its API the provider tells us.
    pub api_version: Option<&'static str>,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// What it lacks of what the addon needs.
    pub missing_scopes: Vec<Scope>,
    /// What the provider holds for the account.
    pub currencies: Vec<&'static str>,
    /// How webhooks stand.
    pub webhook: Webhook,
    /// How messages for this Odoo stand.
    pub messages: outbox::lists::Standing,
    /// How the account's events stand.
    pub events: webhook_events::lists::Standing,
    /// How many exceptions are open.
    pub exceptions_open: i64,
}

/// Reads how a connection stands: what we know at one moment, and what the provider says within [`PATIENCE`].
pub(super) async fn read(app: &App, caller: &Caller, binding: &Binding) -> Result<Connection, AppError> {
    let (merchant, account) = (caller.merchant_id, binding.provider_account);
    let mut tx = app.begin_to_read(merchant).await?;
    let instance = store::odoo_instances::show(&mut tx, merchant, binding.odoo_instance).await?;
    let shown = store::provider_accounts::show(&mut tx, merchant, account).await?;
    let keeper = store::book_keepers::find(&mut tx, merchant, account).await?;
    let messages = outbox::lists::get_standing(&mut tx, merchant, binding.odoo_instance).await?;
    let events = webhook_events::lists::get_standing(&mut tx, merchant, account).await?;
    let exceptions_open = store::exceptions::lists::count_open(&mut tx, merchant, caller.live).await?;
    let registered = store::webhook_endpoints::list(&mut tx, merchant, account).await?;
    drop(tx);
    let url = registered
        .into_iter()
        .find(|endpoint| endpoint.state == EndpointState::Active)
        .map(|endpoint| endpoint.url);
    let (webhook, currencies) = tokio::join!(
        webhook(app, merchant, account, url, events.last_delivered_at),
        currencies(app, merchant, account),
    );
    let provider = app.provider(&shown.provider)?;
    Ok(Connection {
        merchant_id: merchant,
        live: caller.live,
        keeps_books: keeper == Some(instance.id),
        instance,
        signing_secret: None,
        account: shown,
        server_time: app.clock.now(),
        api_version: provider.endpoints().map(crate::provider::Endpoints::api_version),
        scopes: caller.scopes.clone(),
        missing_scopes: missing(&caller.scopes),
        currencies,
        webhook,
        messages,
        events,
        exceptions_open,
    })
}

fn missing(scopes: &[Scope]) -> Vec<Scope> {
    let wanted = Preset::Odoo.scopes().iter();
    wanted.copied().filter(|scope| !scopes.contains(scope)).collect()
}

async fn webhook(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    url: Option<String>,
    last_event_at: Option<OffsetDateTime>,
) -> Webhook {
    let checked = tokio::time::timeout(PATIENCE, endpoints::check(app, merchant, account)).await;
    let (state, problems) = match checked {
        Ok(Ok(check)) => {
            let problems = check.findings.iter();
            let problems = problems.map(|finding| format!("{finding}: {}", finding.remedy()));
            (state(&check.findings), problems.collect())
        }
        Ok(Err(error)) => (
            known(url.as_ref()),
            vec![format!("the provider was asked in vain: {}", error.told())],
        ),
        Err(_) => (
            known(url.as_ref()),
            vec!["the provider did not answer in time".to_owned()],
        ),
    };
    Webhook {
        state,
        url,
        problems,
        last_event_at,
    }
}

fn state(findings: &[Finding]) -> WebhookState {
    let fails = |finding: &Finding| match finding {
        Finding::NotConnected | Finding::NoSecret | Finding::Gone { .. } | Finding::Disabled { .. } => true,
        Finding::SecretsMissing { .. }
        | Finding::TypesMissing { .. }
        | Finding::OtherApiVersion { .. }
        | Finding::OtherUrl { .. } => false,
    };
    if findings.iter().any(fails) {
        WebhookState::Missing
    } else {
        WebhookState::Registered
    }
}

/// What is so as far as we know.
const fn known(url: Option<&String>) -> WebhookState {
    if url.is_some() {
        WebhookState::Registered
    } else {
        WebhookState::Unknown
    }
}

/// What the provider holds for the account; nothing where it does not say.
async fn currencies(app: &App, merchant: MerchantId, account: ProviderAccountId) -> Vec<&'static str> {
    let asked = async {
        let known = {
            let mut conn = app.db.read(merchant).await?;
            app.accounts.get(app, &mut conn, merchant, account).await?
        };
        let Some(settlement) = app.provider(&known.account.provider)?.settlement() else {
            return Ok(Vec::new());
        };
        let balance = settlement.fetch_balance(&known.account).await;
        balance.map_err(AppError::Provider)
    };
    let Ok(Ok(balance)) = tokio::time::timeout(PATIENCE, asked).await else {
        return Vec::new();
    };
    let mut currencies: Vec<&'static str> = balance.iter().map(|money| money.currency.code()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    currencies
}
