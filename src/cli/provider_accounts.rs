//! `quittance provider-account …`

use clap::Subcommand;
use quittance::app::{App, setup};
use quittance::config;
use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::provider::ProviderAccount;
use serde_json::json;
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
            Ok(json!({ "id": account.id, "webhook_path": format!("/webhooks/stripe/{}", account.id) }))
        }
        ProviderAccountCommand::AddWebhookSecret {
            merchant,
            provider_account,
        } => {
            let webhook_secret = config::secret("STRIPE_WEBHOOK_SECRET")?;
            let id = setup::add_webhook_secret(app, merchant, provider_account, &webhook_secret).await?;
            Ok(json!({ "id": id }))
        }
    }
}
