//! The end of an endpoint whose place another took.

use super::super::commit;
use super::{App, AppError, account, endpoints};
use crate::domain::ids::OperationId;
use crate::store;
use crate::store::webhook_endpoints::WebhookEndpoint;

/// How many are retired at one look.
const BATCH: i64 = 32;

/// Deletes endpoints that have overlapped for long enough: at the provider, then here with their secrets. How many.
///
/// What cannot be deleted now is tried again at the next look; two workers at once do no harm.
pub async fn retire_due(app: &App) -> Result<usize, AppError> {
    let due = {
        let now = app.clock.now();
        let mut conn = app.db.dispatch().await?;
        let merchants = store::webhook_endpoints::list_merchants(&mut conn, now, BATCH).await?;
        if merchants.is_empty() {
            return Ok(0);
        }
        drop(conn);
        let mut conn = app.db.read_for(merchants).await?;
        store::webhook_endpoints::list_due(&mut conn, now, BATCH).await?
    };
    let mut retired = 0;
    for endpoint in due {
        match retire(app, &endpoint).await {
            Ok(()) => retired += 1,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, endpoint_id = %endpoint.id,
                    "an old webhook endpoint is not deleted yet");
            }
        }
    }
    Ok(retired)
}

async fn retire(app: &App, endpoint: &WebhookEndpoint) -> Result<(), AppError> {
    let account = account(app, endpoint.merchant_id, endpoint.provider_account_id).await?;
    if let Some(reference) = &endpoint.provider_reference {
        endpoints(app, &account)?
            .delete_endpoint(&account, OperationId::generate(), reference)
            .await
            .map_err(AppError::Provider)?;
    }
    let mut tx = app.begin(endpoint.merchant_id).await?;
    store::webhook_endpoints::delete(&mut tx, endpoint).await?;
    commit(tx).await?;
    app.accounts.forget(account.id);
    Ok(())
}
