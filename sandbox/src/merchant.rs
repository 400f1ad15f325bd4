//! A merchant of a running Quittance, set up with its own commands as an operator would.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::odoo::PretendOdoo;
use crate::service::Quittance;
use crate::stripe::PretendStripe;

/// What runs the service's commands: a program on this machine, or one in a container.
pub trait Commands: Sync {
    /// Runs a command to its end, with `secrets` in its environment, and returns the JSON it prints, if any.
    fn run(&self, arguments: &[&str], secrets: &[(&str, &str)])
    -> impl Future<Output = Result<Value>> + Send;
}

impl Commands for Quittance {
    async fn run(&self, arguments: &[&str], secrets: &[(&str, &str)]) -> Result<Value> {
        Quittance::run(self, arguments, secrets).await
    }
}

/// All that a key may do but set up, so that nothing is out of reach of who tries things.
pub const SCOPES: [&str; 13] = [
    "payments:read",
    "payments:write",
    "payments:capture",
    "refunds:write",
    "payouts:read",
    "reconciliation:write",
    "events:read",
    "events:payload",
    "events:write",
    "outbox:read",
    "outbox:write",
    "exceptions:read",
    "exceptions:write",
];

/// How Quittance reaches a pretend Stripe account, and how that account signs.
#[derive(Clone, Debug)]
pub struct StripeAccess {
    /// Where the API answers, without a path.
    pub api_base: String,
    /// The secret key, `sk_test_…`.
    pub secret_key: String,
    /// The publishable key, `pk_test_…`.
    pub publishable_key: String,
    /// What webhooks are signed with, `whsec_…`.
    pub webhook_secret: String,
}

impl StripeAccess {
    /// That of a pretend Stripe, which signs with this secret.
    #[must_use]
    pub fn of(stripe: &PretendStripe, webhook_secret: &str) -> Self {
        Self {
            api_base: stripe.url(),
            secret_key: stripe.secret_key().to_owned(),
            publishable_key: stripe.publishable_key().to_owned(),
            webhook_secret: webhook_secret.to_owned(),
        }
    }
}

/// How Quittance reaches a pretend Odoo, and where it books there.
#[derive(Clone, Debug)]
pub struct OdooAccess {
    /// Where it answers, without a path.
    pub url: String,
    /// The database's name.
    pub database: String,
    /// The key of the user that books.
    pub api_key: String,
    /// The code of the Stripe journal.
    pub journal: String,
    /// The code of the account for Stripe's fees.
    pub fee_account: String,
}

impl OdooAccess {
    /// That of a pretend Odoo, whose company has these.
    #[must_use]
    pub fn of(odoo: &PretendOdoo) -> Self {
        Self {
            url: odoo.url(),
            database: odoo.database(),
            api_key: odoo.api_key(),
            journal: "STRP".to_owned(),
            fee_account: "621000".to_owned(),
        }
    }
}

/// A merchant and what a client of his needs to know.
#[derive(Clone, Debug)]
pub struct Merchant {
    /// `mer_…`
    pub id: String,
    /// `acc_…`
    pub provider_account: String,
    /// `qk_test_…`
    pub api_key: String,
}

impl Merchant {
    /// Adds a merchant with a provider account, an API key and, where given, an Odoo instance.
    pub async fn add(
        quittance: &impl Commands,
        stripe: &StripeAccess,
        odoo: Option<&OdooAccess>,
    ) -> Result<Self> {
        let added = quittance
            .run(&["merchant", "add", "--name", "Sandbox"], &[])
            .await?;
        let id = text(&added, "id")?;
        let account = [
            "provider-account",
            "add",
            "--merchant",
            &id,
            "--publishable-key",
            &stripe.publishable_key,
        ];
        let account = [&account[..], &["--api-base", &stripe.api_base]].concat();
        let secrets = [
            ("STRIPE_SECRET_KEY", &*stripe.secret_key),
            ("STRIPE_WEBHOOK_SECRET", &*stripe.webhook_secret),
        ];
        let provider_account = text(&quittance.run(&account, &secrets).await?, "id")?;
        if let Some(odoo) = odoo {
            let instance = [
                "odoo-instance",
                "add",
                "--merchant",
                &id,
                "--url",
                &odoo.url,
                "--database",
                &odoo.database,
            ];
            let books = ["--journal", &odoo.journal, "--fee-account", &odoo.fee_account];
            quittance
                .run(
                    &[&instance[..], &books].concat(),
                    &[("ODOO_API_KEY", &odoo.api_key)],
                )
                .await?;
        }
        let scopes: Vec<&str> = SCOPES.iter().flat_map(|scope| ["--scope", scope]).collect();
        let api_key = make_key(quittance, &id, &scopes).await?;
        Ok(Self {
            id,
            provider_account,
            api_key,
        })
    }

    /// One more API key: what an Odoo is given, and no more.
    pub async fn key_for_odoo(&self, quittance: &impl Commands) -> Result<String> {
        make_key(quittance, &self.id, &["--preset", "odoo"]).await
    }

    /// Where Stripe's webhooks for this merchant go.
    #[must_use]
    pub fn webhook_path(&self) -> String {
        format!("/webhooks/stripe/{}", self.provider_account)
    }
}

async fn make_key(quittance: &impl Commands, merchant: &str, rights: &[&str]) -> Result<String> {
    let key = ["api-key", "create", "--merchant", merchant, "--name", "odoo"];
    let created = quittance.run(&[&key[..], rights].concat(), &[]).await?;
    text(&created, "key")
}

fn text(answer: &Value, field: &str) -> Result<String> {
    let value = answer.get(field).and_then(Value::as_str);
    value
        .map(str::to_owned)
        .with_context(|| format!("quittance printed no {field}: {answer}"))
}
