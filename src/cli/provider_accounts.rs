//! `quittance provider-account …`

use clap::Subcommand;
use quittance::app::endpoints::{self, Connected};
use quittance::app::rights::{self, KeyRights};
use quittance::app::{App, AppError, setup};
use quittance::config;
use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::provider::{ProviderAccount, ProviderError};
use serde_json::{Value, json};
use time::Duration;
use time::format_description::well_known::Rfc3339;
use url::Url;

#[derive(Subcommand)]
pub(crate) enum ProviderAccountCommand {
    /// Add an account. Its secret key comes in `STRIPE_SECRET_KEY`, its webhook secret in `STRIPE_WEBHOOK_SECRET`.
    Add {
        /// Whose account it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The key that browsers use (`pk_…`).
        #[arg(long)]
        publishable_key: Option<String>,
        /// Real money moves.
        #[arg(long)]
        live: bool,
        /// The connected account that calls are made for (`acct_…`), where the secret key is a platform's.
        #[arg(long)]
        external_account: Option<String>,
        /// Where Stripe answers.
        #[arg(long, default_value = "https://api.stripe.com")]
        api_base: Url,
    },
    /// Add a webhook secret, from `STRIPE_WEBHOOK_SECRET`, beside those the account has.
    AddWebhookSecret {
        /// Whose account it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The account (`acc_…`).
        #[arg(long)]
        provider_account: ProviderAccountId,
    },
    /// Register the webhook endpoint at the provider and store its secret. Repeat it after a move or an upgrade.
    Connect {
        /// Whose account it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The account (`acc_…`).
        #[arg(long)]
        provider_account: ProviderAccountId,
        /// Where the provider reaches this service, without the path of its webhooks.
        #[arg(long)]
        url: Url,
    },
    /// Let a new endpoint with a new secret take the old one's place. Both deliver until the overlap is over.
    RotateWebhookSecret {
        /// Whose account it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The account (`acc_…`).
        #[arg(long)]
        provider_account: ProviderAccountId,
        /// How long the old one goes on; a worker ends it.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(i64).range(1..=720))]
        overlap_hours: i64,
        /// End the old one at once, and with it what it has not delivered yet: for a secret that leaked.
        #[arg(long, conflicts_with = "overlap_hours")]
        now: bool,
    },
    /// Say what the provider's endpoint lacks against what is followed, and the key against what is called. Exit code 1 where
    /// anything is lacking.
    Check {
        /// Whose account it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The account (`acc_…`).
        #[arg(long)]
        provider_account: ProviderAccountId,
    },
}

pub(super) async fn run(app: &App, command: ProviderAccountCommand) -> anyhow::Result<serde_json::Value> {
    match command {
        ProviderAccountCommand::Add {
            merchant,
            publishable_key,
            live,
            external_account,
            api_base,
        } => {
            let secret_key = config::secret("STRIPE_SECRET_KEY")?;
            let webhook_secret = config::find_secret("STRIPE_WEBHOOK_SECRET");
            let account = ProviderAccount {
                merchant_id: merchant,
                id: ProviderAccountId::generate(),
                provider: "stripe".to_owned(),
                live,
                external_account,
                api_base,
                secret_key,
                publishable_key,
            };
            setup::add_provider_account(app, &account, webhook_secret.as_ref()).await?;
            Ok(json!({
                "id": account.id,
                "webhook_path": format!("/webhooks/stripe/{}", account.id),
                "key": key_of(rights::check(app, merchant, account.id).await),
            }))
        }
        ProviderAccountCommand::AddWebhookSecret {
            merchant,
            provider_account,
        } => {
            let webhook_secret = config::secret("STRIPE_WEBHOOK_SECRET")?;
            let id = setup::add_webhook_secret(app, merchant, provider_account, &webhook_secret).await?;
            Ok(json!({ "id": id }))
        }
        ProviderAccountCommand::Connect {
            merchant,
            provider_account,
            url,
        } => shown(&endpoints::connect(app, merchant, provider_account, &url).await?),
        ProviderAccountCommand::RotateWebhookSecret {
            merchant,
            provider_account,
            overlap_hours,
            now,
        } => {
            let overlap = Duration::hours(if now { 0 } else { overlap_hours });
            shown(&endpoints::rotate(app, merchant, provider_account, overlap).await?)
        }
        ProviderAccountCommand::Check {
            merchant,
            provider_account,
        } => check(app, merchant, provider_account).await,
    }
}

fn shown(connected: &Connected) -> anyhow::Result<Value> {
    let old_until = connected
        .old_until
        .map(|time| time.format(&Rfc3339))
        .transpose()?;
    Ok(json!({
        "id": connected.id,
        "provider_reference": connected.provider_reference,
        "url": connected.url,
        "created": connected.created,
        "old_until": old_until,
    }))
}

/// What a key may do, in one object. That the provider does not say is no reason to fail.
fn key_of(rights: Result<KeyRights, AppError>) -> Value {
    match rights {
        Ok(KeyRights { restricted, missing }) => {
            json!({ "restricted": restricted, "missing_permissions": missing })
        }
        Err(error) => json!({ "not_looked_at": format!("{:#}", anyhow::Error::from(error)) }),
    }
}

async fn check(app: &App, merchant: MerchantId, account: ProviderAccountId) -> anyhow::Result<Value> {
    let rights = rights::check(app, merchant, account).await?;
    let is_allowed = rights.missing.is_empty();
    let check = match endpoints::check(app, merchant, account).await {
        // Without the right to read its endpoints, what the key lacks is all that can be said.
        Err(AppError::Provider(ProviderError::Lacks { .. })) if !is_allowed => {
            return Ok(json!({ "ok": false, "key": key_of(Ok(rights)) }));
        }
        check => check?,
    };
    let findings = check.findings.iter().map(|finding| {
        let mut shown = serde_json::to_value(finding)?;
        shown["remedy"] = finding.remedy().into();
        Ok(shown)
    });
    Ok(json!({
        "ok": check.findings.is_empty() && is_allowed,
        "key": key_of(Ok(rights)),
        "findings": findings.collect::<serde_json::Result<Vec<_>>>()?,
        "endpoints": check.endpoints,
        "secrets": check.secrets,
        "extra_types": check.extra_types,
    }))
}
