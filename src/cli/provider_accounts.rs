//! `quittance provider-account …`

use clap::{Args, Subcommand};
use quittance::app::auth::Administered;
use quittance::app::endpoints::{self, Connected};
use quittance::app::rights::{self, KeyRights};
use quittance::app::setup::provider_accounts::{self, AccountDetail, AccountWish};
use quittance::app::{App, AppError, setup};
use quittance::config;
use quittance::domain::audit_log::Actor;
use quittance::domain::ids::{MerchantId, ProviderAccountId, WebhookSecretId};
use quittance::http::{ProviderAccountDetail, ProviderAccountList};
use quittance::provider::ProviderError;
use serde_json::{Value, json, to_value};
use time::Duration;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::whose::Page;

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
        /// Where Stripe answers, where that is not as usual.
        #[arg(long)]
        api_base: Option<Url>,
    },
    #[command(flatten)]
    Kept(KeptCommand),
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

/// What is done with an account that is there.
#[derive(Subcommand)]
pub(crate) enum KeptCommand {
    /// A merchant's accounts, newest first.
    List {
        /// Whose accounts they are (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        #[command(flatten)]
        page: Page,
    },
    /// One account, with what its webhooks are signed with; no secret is shown.
    Show(Which),
    /// Take other keys: the secret one from `STRIPE_SECRET_KEY`. Let the old one go on at Stripe for a minute.
    RotateKeys {
        #[command(flatten)]
        which: Which,
        /// The key that browsers use (`pk_…`); it stays where it is left out.
        #[arg(long)]
        publishable_key: Option<String>,
    },
    /// Let nothing begin there. What began goes on: captures, refunds, webhooks, the books.
    Disable(Which),
    /// Let things begin there again.
    Enable(Which),
    /// Let a webhook secret prove nothing any more.
    EndWebhookSecret {
        #[command(flatten)]
        which: Which,
        /// Which secret (`whs_…`).
        #[arg(long)]
        secret: WebhookSecretId,
    },
}

#[derive(Args)]
pub(crate) struct Which {
    /// Whose account it is (`mer_…`).
    #[arg(long)]
    merchant: MerchantId,
    /// The account (`acc_…`).
    #[arg(long)]
    provider_account: ProviderAccountId,
}

impl Which {
    fn by(&self) -> Administered {
        Administered::at_the_command_line(self.merchant)
    }
}

fn detail(detail: &AccountDetail) -> anyhow::Result<Value> {
    Ok(to_value(ProviderAccountDetail::from(detail))?)
}

pub(super) async fn run(app: &App, command: ProviderAccountCommand) -> anyhow::Result<serde_json::Value> {
    let by_hand = Actor::at_the_command_line();
    match command {
        ProviderAccountCommand::Kept(command) => keep(app, command).await,
        ProviderAccountCommand::Add {
            merchant,
            publishable_key,
            live,
            external_account,
            api_base,
        } => {
            let secret_key = config::secret("STRIPE_SECRET_KEY")?;
            let webhook_secret = config::find_secret("STRIPE_WEBHOOK_SECRET");
            let wish = AccountWish {
                provider: "stripe".to_owned(),
                live,
                external_account,
                api_base,
                secret_key,
                publishable_key,
                webhook_secret,
            };
            let by = Administered::at_the_command_line(merchant);
            let made = provider_accounts::create(app, &by, &wish).await?;
            let mut shown = detail(&made)?;
            shown["key"] = key_of(rights::check(app, merchant, made.account.id).await);
            Ok(shown)
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
        } => shown(&endpoints::connect(app, merchant, provider_account, &url, &by_hand).await?),
        ProviderAccountCommand::RotateWebhookSecret {
            merchant,
            provider_account,
            overlap_hours,
            now,
        } => {
            let overlap = Duration::hours(if now { 0 } else { overlap_hours });
            shown(&endpoints::rotate(app, merchant, provider_account, overlap, &by_hand).await?)
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

async fn keep(app: &App, command: KeptCommand) -> anyhow::Result<Value> {
    match command {
        KeptCommand::List { merchant, page } => {
            let by = Administered::at_the_command_line(merchant);
            let found = provider_accounts::list(app, &by, page.after()?, page.limit).await?;
            Ok(to_value(ProviderAccountList::from(&found))?)
        }
        KeptCommand::Show(which) => {
            detail(&provider_accounts::get(app, &which.by(), which.provider_account).await?)
        }
        KeptCommand::RotateKeys {
            which,
            publishable_key,
        } => {
            let (id, secret) = (which.provider_account, config::secret("STRIPE_SECRET_KEY")?);
            detail(&provider_accounts::rotate_keys(app, &which.by(), id, secret, publishable_key).await?)
        }
        KeptCommand::Disable(which) => {
            detail(&provider_accounts::set_disabled(app, &which.by(), which.provider_account, true).await?)
        }
        KeptCommand::Enable(which) => {
            detail(&provider_accounts::set_disabled(app, &which.by(), which.provider_account, false).await?)
        }
        KeptCommand::EndWebhookSecret { which, secret } => {
            let id = which.provider_account;
            detail(&provider_accounts::end_webhook_secret(app, &which.by(), id, secret).await?)
        }
    }
}
