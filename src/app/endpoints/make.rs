//! Making an endpoint, once, although its secret is told once.

use serde_json::json;
use time::OffsetDateTime;
use url::Url;

use super::super::commit;
use super::{App, AppError, Connected, Place, active, list};
use crate::app::audit_log;
use crate::domain::audit_log::{Action, Actor};
use crate::domain::ids::{OperationId, WebhookEndpointId};
use crate::provider::{
    Ambiguity, CreatedEndpoint, Endpoint, Endpoints, NewEndpoint, ProviderAccount, ProviderError,
};
use crate::store;
use crate::store::webhook_endpoints::{EndpointState, WebhookEndpoint};

/// Makes an endpoint that takes the place of `old`, which goes at `old_until`. Where somebody else's took it meanwhile, that one
/// stands.
pub(super) async fn make(
    app: &App,
    account: &ProviderAccount,
    endpoints: &dyn Endpoints,
    Place { url, by }: Place<'_>,
    old: Option<WebhookEndpointId>,
    old_until: OffsetDateTime,
) -> Result<Connected, AppError> {
    let begun = list(app, account).await?;
    let begun = begun
        .into_iter()
        .find(|endpoint| endpoint.state == EndpointState::Creating);
    let replaces = begun.as_ref().map(|begun| begun.url.clone());
    let Some(mut new) = claim(app, account, url, old, begun).await? else {
        return standing(app, account).await;
    };
    let mut answer = endpoints.create_endpoint(account, as_new(&new, url)).await;
    let stored = |error: &ProviderError| {
        matches!(
            error,
            ProviderError::Ambiguous {
                ambiguity: Ambiguity::Stored,
                ..
            }
        )
    };
    if answer.as_ref().is_err_and(stored) {
        // What was made under the key will never be told again: under another key, another one is.
        abandon(app, &new).await?;
        new = match claim(app, account, url, old, None).await? {
            Some(anew) => anew,
            None => return standing(app, account).await,
        };
        answer = endpoints.create_endpoint(account, as_new(&new, url)).await;
    }
    let made = answer.map_err(AppError::Provider)?;
    store_made(app, account, (&new, &made), old_until, by).await?;
    let urls: Vec<&str> = replaces
        .iter()
        .map(String::as_str)
        .chain([url.as_str()])
        .collect();
    delete_orphans(app, account, endpoints, &urls).await?;
    Ok(Connected {
        id: new.id,
        provider_reference: made.reference,
        url: new.url,
        created: true,
        old_until: old.map(|_| old_until),
    })
}

fn as_new<'a>(endpoint: &WebhookEndpoint, url: &'a Url) -> NewEndpoint<'a> {
    NewEndpoint { id: endpoint.id, url }
}

/// The endpoint that the account has by now.
async fn standing(app: &App, account: &ProviderAccount) -> Result<Connected, AppError> {
    let (held, reference) = active(app, account).await?.ok_or(AppError::in_flight())?;
    Ok(Connected {
        id: held.id,
        provider_reference: reference,
        url: held.url,
        created: false,
        old_until: None,
    })
}

async fn abandon(app: &App, begun: &WebhookEndpoint) -> Result<(), AppError> {
    let mut tx = app.begin(begun.merchant_id).await?;
    store::webhook_endpoints::abandon(&mut tx, begun).await?;
    commit(tx).await
}

/// Writes down what the provider is about to be asked for; or finds what was, where that can still be asked again. None where
/// the account's endpoint is not `old` any more.
async fn claim(
    app: &App,
    account: &ProviderAccount,
    url: &Url,
    old: Option<WebhookEndpointId>,
    begun: Option<WebhookEndpoint>,
) -> Result<Option<WebhookEndpoint>, AppError> {
    let now = app.clock.now();
    let repeatable_for = app.provider(&account.provider)?.repeatable_for();
    let (merchant, id) = (account.merchant_id, account.id);
    let mut tx = app.begin(merchant).await?;
    if let Some(begun) = begun {
        let repeatable = begun.created_at + repeatable_for > now && begun.url == url.as_str();
        if !repeatable {
            store::webhook_endpoints::abandon(&mut tx, &begun).await?;
        }
    }
    let new = WebhookEndpointId::generate();
    store::webhook_endpoints::insert(&mut tx, merchant, id, new, url.as_str(), now).await?;
    let held = store::webhook_endpoints::list(&mut tx, merchant, id).await?;
    let in_state = |state| held.iter().find(|endpoint| endpoint.state == state);
    if in_state(EndpointState::Active).map(|active| active.id) != old {
        return Ok(None);
    }
    let claimed = in_state(EndpointState::Creating).cloned();
    commit(tx).await?;
    claimed.map(Some).ok_or(AppError::in_flight())
}

/// Writes down the secret and lets the endpoint take its place, in one.
async fn store_made(
    app: &App,
    account: &ProviderAccount,
    (new, made): (&WebhookEndpoint, &CreatedEndpoint),
    old_until: OffsetDateTime,
    by: &Actor,
) -> Result<(), AppError> {
    let (merchant, id, now) = (account.merchant_id, account.id, app.clock.now());
    let mut tx = app.begin(merchant).await?;
    store::webhook_endpoints::retire_active(&mut tx, merchant, id, old_until).await?;
    let secret = store::provider_accounts::insert_webhook_secret(
        &mut tx,
        &app.sealer,
        merchant,
        id,
        &made.secret,
        now,
    )
    .await?;
    if store::webhook_endpoints::activate(&mut tx, new, &made.reference, secret).await? {
        let detail = json!({ "endpoint": made.reference });
        audit_log::record(
            app,
            &mut tx,
            merchant,
            by,
            (Action::AccountEndpoint, &id),
            &detail,
        )
        .await?;
        commit(tx).await?;
        app.accounts.forget(id);
    }
    // Where it was not: who asked at the same time under the same key wrote the same down.
    Ok(())
}

/// Deletes what we made at these addresses and hold no secret of: nothing that it delivers can ever be proven.
pub(super) async fn delete_orphans(
    app: &App,
    account: &ProviderAccount,
    endpoints: &dyn Endpoints,
    urls: &[&str],
) -> Result<(), AppError> {
    let there = endpoints
        .list_endpoints(account)
        .await
        .map_err(AppError::Provider)?;
    // Read later than what is there: whoever makes one wrote it down before.
    let held = list(app, account).await?;
    for orphan in there
        .iter()
        .filter(|there| urls.contains(&there.url.as_str()) && is_orphan(there, &held))
    {
        endpoints
            .delete_endpoint(account, OperationId::generate(), &orphan.reference)
            .await
            .map_err(AppError::Provider)?;
        tracing::info!(provider_account_id = %account.id, endpoint = orphan.reference,
            "an endpoint whose secret was lost was deleted");
    }
    Ok(())
}

fn is_orphan(there: &Endpoint, held: &[WebhookEndpoint]) -> bool {
    let Some(id) = there.id else {
        return false;
    };
    !held.iter().any(|held| {
        held.id == id
            && held
                .provider_reference
                .as_ref()
                .is_none_or(|reference| *reference == there.reference)
    })
}
