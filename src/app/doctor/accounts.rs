//! Accounts at providers: the key, its rights, the clock there, the endpoint and what it delivers.

use time::{Duration, OffsetDateTime};

use super::{Finding, PAGE, told};
use crate::app::{App, AppError, endpoints, rights};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::provider::{ProviderAccount, ProviderError};
use crate::store;
use crate::store::provider_accounts::ShownAccount;

/// How far the provider's clock may be from ours.
const CLOCKS_WITHIN: Duration = Duration::seconds(60);

/// After how long without a delivery somebody should look.
const QUIET: Duration = Duration::days(7);

pub(super) async fn look(app: &App, merchant: MerchantId) -> Vec<Finding> {
    let accounts = match list(app, merchant).await {
        Ok(accounts) => accounts,
        Err(error) => return vec![super::unread("provider.accounts", &error).of(merchant)],
    };
    if accounts.is_empty() {
        let remedy = "run `quittance provider-account add`";
        return vec![
            Finding::warning("provider.accounts", "it has no account at a provider", remedy).of(merchant),
        ];
    }
    let mut findings = Vec::new();
    for account in accounts {
        let found = of_account(app, merchant, &account).await;
        findings.extend(found.into_iter().map(|finding| finding.of(account.id)));
    }
    findings
}

async fn list(app: &App, merchant: MerchantId) -> Result<Vec<ShownAccount>, AppError> {
    let mut conn = app.db.read(merchant).await?;
    let mut accounts: Vec<ShownAccount> = Vec::new();
    loop {
        let after = accounts.last().map(|account| account.id);
        let page = store::provider_accounts::list_page(&mut conn, merchant, None, after, PAGE).await?;
        if page.is_empty() {
            return Ok(accounts);
        }
        accounts.extend(page);
    }
}

async fn of_account(app: &App, merchant: MerchantId, shown: &ShownAccount) -> Vec<Finding> {
    if shown.disabled_at.is_some() {
        let remedy = "run `quittance provider-account enable`, if that is not meant";
        return vec![Finding::warning(
            "provider.enabled",
            "it is disabled: nothing begins there",
            remedy,
        )];
    }
    let account = match open(app, merchant, shown.id).await {
        Ok(account) => account,
        Err(error) => {
            let remedy = "see docs/keys.md, or run `quittance provider-account rotate-keys`";
            return vec![Finding::error("provider.key", told(&error), remedy)];
        }
    };
    let (mut findings, answers) = key(app, &account).await;
    if answers {
        findings.push(missing_rights(app, merchant, shown.id).await);
        findings.extend(endpoint(app, merchant, shown.id).await);
    }
    findings.push(events(app, merchant, shown.id).await);
    findings
}

async fn open(app: &App, merchant: MerchantId, id: ProviderAccountId) -> Result<ProviderAccount, AppError> {
    let mut conn = app.db.read(merchant).await?;
    Ok(store::provider_accounts::get(&mut conn, &app.sealer, merchant, id).await?)
}

/// Whether the provider takes the key, and what time it is there; and whether there is anything more to ask it.
async fn key(app: &App, account: &ProviderAccount) -> (Vec<Finding>, bool) {
    let provider = match app.provider(&account.provider) {
        Ok(provider) => provider,
        Err(error) => {
            let remedy = "run a version that knows the provider";
            return (vec![Finding::error("provider.key", told(&error), remedy)], false);
        }
    };
    let Some(rights) = provider.rights() else {
        return (Vec::new(), true);
    };
    let mode = if account.live { "live" } else { "test" };
    match rights.tell_time(account).await {
        Ok(there) => {
            let mut findings = vec![Finding::ok(
                "provider.key",
                format!("{} takes the key, in {mode} mode", account.provider),
            )];
            findings.extend(there.map(|there| clock(there, app.clock.now())));
            (findings, true)
        }
        Err(error @ ProviderError::Auth) => {
            let remedy = "make a new key at the provider, and run `quittance provider-account rotate-keys`";
            (vec![Finding::error("provider.key", error.told(), remedy)], false)
        }
        Err(error) => {
            let remedy = "look whether this machine reaches the provider: proxy, firewall, network policy, status page";
            (
                vec![Finding::error("provider.reachable", error.told(), remedy)],
                false,
            )
        }
    }
}

fn clock(there: OffsetDateTime, here: OffsetDateTime) -> Finding {
    let ahead = here - there;
    if ahead.abs() <= CLOCKS_WITHIN {
        return Finding::ok("provider.clock", "ours is the provider's, within 60 s");
    }
    Finding::error(
        "provider.clock",
        format!(
            "the database's clock is {} s ahead of the provider's",
            ahead.whole_seconds()
        ),
        "synchronise the clock of the database's machine: at 300 s every webhook is refused",
    )
}

async fn missing_rights(app: &App, merchant: MerchantId, id: ProviderAccountId) -> Finding {
    let check = "provider.rights";
    match rights::check(app, merchant, id).await {
        Ok(rights) if !rights.restricted => Finding::warning(
            check,
            "the key may do everything",
            "use a restricted key with the rights that the README names",
        ),
        Ok(rights) if rights.missing.is_empty() => Finding::ok(check, "the key may do all that is needed"),
        Ok(rights) => {
            let names: Vec<&str> = rights.missing.iter().map(|right| right.shown_as).collect();
            let said = format!("the key lacks {}", names.join(", "));
            Finding::error(
                check,
                said,
                "give it these at the provider; the README has the list",
            )
        }
        Err(error) => Finding::error(check, told(&error), "try again once the provider answers"),
    }
}

async fn endpoint(app: &App, merchant: MerchantId, id: ProviderAccountId) -> Vec<Finding> {
    let check = "provider.endpoint";
    match endpoints::check(app, merchant, id).await {
        Ok(seen) if seen.findings.is_empty() => vec![Finding::ok(
            check,
            format!("{} endpoints lead here, as they should", seen.endpoints.len()),
        )],
        Ok(seen) => seen
            .findings
            .iter()
            .map(|finding| Finding::error(check, finding.to_string(), finding.remedy()))
            .collect(),
        Err(AppError::NotSupported { .. }) => Vec::new(),
        Err(error) => {
            let remedy = "try again once the provider answers and the key may read webhook endpoints";
            vec![Finding::error(check, told(&error), remedy)]
        }
    }
}

async fn events(app: &App, merchant: MerchantId, id: ProviderAccountId) -> Finding {
    let check = "provider.events";
    let standing = async {
        let mut conn = app.db.read(merchant).await?;
        Ok::<_, AppError>(store::webhook_events::lists::get_standing(&mut conn, merchant, id).await?)
    };
    let standing = match standing.await {
        Ok(standing) => standing,
        Err(error) => return super::unread(check, &error),
    };
    if standing.dead > 0 {
        let said = format!(
            "{} events could not be applied and wait for a person",
            standing.dead
        );
        return Finding::error(
            check,
            said,
            "`quittance events list --state dead`: docs/runbook.md",
        );
    }
    let quiet = "look whether the provider delivers: its dashboard shows failed deliveries";
    match standing.last_delivered_at {
        None => Finding::warning(check, "none was delivered lately, or ever", quiet),
        Some(at) if app.clock.now() - at > QUIET => {
            let days = (app.clock.now() - at).whole_days();
            Finding::warning(check, format!("the last was delivered {days} days ago"), quiet)
        }
        Some(at) => Finding::ok(
            check,
            format!("the last was delivered at {at}, {} wait", standing.pending),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Level;

    #[test]
    fn a_clock_is_right_within_a_minute_and_wrong_beyond_whichever_is_ahead() {
        let here = OffsetDateTime::UNIX_EPOCH;
        for (seconds, wanted) in [
            (0, Level::Ok),
            (60, Level::Ok),
            (-60, Level::Ok),
            (61, Level::Error),
            (-61, Level::Error),
        ] {
            let found = clock(here + Duration::seconds(seconds), here);
            assert_eq!(found.level, wanted, "{seconds}");
        }
    }
}
