//! What the provider's endpoints lack against what we follow.

use std::fmt;

use serde::Serialize;

use super::{App, AppError, account, endpoints, list, path_of};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::provider::{Endpoint, Endpoints};
use crate::store;
use crate::store::webhook_endpoints::{EndpointState, WebhookEndpoint};

/// Something that an account's endpoints lack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Finding {
    /// The provider has no endpoint that leads to this account.
    NotConnected,
    /// We hold no secret: nothing that comes can be proven.
    NoSecret,
    /// Endpoints lead here and more of them than we hold secrets for: what some deliver is refused.
    SecretsMissing {
        /// How many endpoints lead here.
        endpoints: usize,
        /// How many secrets we hold.
        secrets: usize,
    },
    /// The endpoint that we registered is not there any more.
    Gone {
        /// The provider's id of it.
        endpoint: String,
    },
    /// It sends nothing.
    Disabled {
        /// The provider's id of it.
        endpoint: String,
    },
    /// It does not send what we follow.
    TypesMissing {
        /// The provider's id of it.
        endpoint: String,
        /// Which.
        types: Vec<&'static str>,
    },
    /// It writes in another API version than the one our types were made for.
    OtherApiVersion {
        /// The provider's id of it.
        endpoint: String,
        /// The one it writes in; the account's own where none.
        found: Option<String>,
        /// Ours.
        wanted: &'static str,
    },
    /// It sends elsewhere than where we registered it.
    OtherUrl {
        /// The provider's id of it.
        endpoint: String,
        /// Where it sends.
        found: String,
        /// Where it was registered.
        wanted: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("the provider has no endpoint that leads to this account"),
            Self::NoSecret => f.write_str("no secret is held, so that nothing that comes can be proven"),
            Self::SecretsMissing { endpoints, secrets } => {
                write!(
                    f,
                    "{endpoints} endpoints lead to this account, and secrets are held for {secrets}"
                )
            }
            Self::Gone { endpoint } => write!(f, "the endpoint {endpoint} is not there any more"),
            Self::Disabled { endpoint } => write!(f, "the endpoint {endpoint} is disabled and sends nothing"),
            Self::TypesMissing { endpoint, types } => {
                write!(f, "the endpoint {endpoint} does not send {}", types.join(", "))
            }
            Self::OtherApiVersion {
                endpoint,
                found,
                wanted,
            } => {
                let found = found.as_deref().unwrap_or("the account's own");
                write!(
                    f,
                    "the endpoint {endpoint} writes in the API version {found}, not {wanted}"
                )
            }
            Self::OtherUrl {
                endpoint,
                found,
                wanted,
            } => write!(f, "the endpoint {endpoint} sends to {found}, not to {wanted}"),
        }
    }
}

impl Finding {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NotConnected | Self::Gone { .. } => "run `provider-account connect`",
            Self::NoSecret => {
                "run `provider-account connect`, or `add-webhook-secret` with the secret of the endpoint you made"
            }
            Self::SecretsMissing { .. } => {
                "run `add-webhook-secret` with the missing secret, or delete the endpoint at the provider"
            }
            Self::Disabled { .. } | Self::TypesMissing { .. } => {
                "run `provider-account connect`; an endpoint made by hand is changed at the provider"
            }
            Self::OtherApiVersion { .. } => {
                "run `provider-account rotate-webhook-secret`: a new endpoint of the right version takes its place"
            }
            Self::OtherUrl { .. } => "run `provider-account connect` with the URL that is right",
        }
    }
}

/// How an account's endpoints stand.
#[derive(Clone, Debug)]
pub struct Check {
    /// What they lack; nothing where all is well.
    pub findings: Vec<Finding>,
    /// The provider's ids of those that lead here.
    pub endpoints: Vec<String>,
    /// How many secrets we hold.
    pub secrets: usize,
    /// Types that they send beside what we follow: kept and counted, no harm.
    pub extra_types: Vec<String>,
}

/// Compares the provider's endpoints with what we follow. Changes nothing.
pub async fn check(app: &App, merchant: MerchantId, id: ProviderAccountId) -> Result<Check, AppError> {
    let account = account(app, merchant, id).await?;
    let endpoints = endpoints(app, &account)?;
    let there = endpoints
        .list_endpoints(&account)
        .await
        .map_err(AppError::Provider)?;
    let held = list(app, &account).await?;
    let secrets = {
        let mut conn = app.db.read(merchant).await?;
        store::provider_accounts::list_webhook_secrets(&mut conn, &app.sealer, merchant, id)
            .await?
            .len()
    };
    let path = path_of(&account);
    let ours = |there: &Endpoint| held.iter().find(|held| is_of(held, there));
    let here: Vec<&Endpoint> = there
        .iter()
        .filter(|there| there.url.ends_with(&path) || ours(there).is_some())
        .collect();
    let mut findings = of_the_account(&held, &here, secrets);
    for endpoint in &here {
        findings.extend(of_an_endpoint(endpoints, endpoint, ours(endpoint)));
    }
    let followed = endpoints.followed();
    let mut extra_types: Vec<String> = here.iter().flat_map(|there| there.types.clone()).collect();
    extra_types.retain(|kind| !followed.contains(&kind.as_str()));
    extra_types.sort_unstable();
    extra_types.dedup();
    Ok(Check {
        findings,
        endpoints: here.iter().map(|there| there.reference.clone()).collect(),
        secrets,
        extra_types,
    })
}

fn is_of(held: &WebhookEndpoint, there: &Endpoint) -> bool {
    held.provider_reference.as_ref() == Some(&there.reference)
}

fn of_the_account(held: &[WebhookEndpoint], here: &[&Endpoint], secrets: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    for gone in held
        .iter()
        .filter(|held| held.state == EndpointState::Active)
        .filter(|held| !here.iter().any(|there| is_of(held, there)))
    {
        findings.push(Finding::Gone {
            endpoint: gone.provider_reference.clone().unwrap_or_default(),
        });
    }
    if here.is_empty() && findings.is_empty() {
        findings.push(Finding::NotConnected);
    }
    if secrets == 0 {
        findings.push(Finding::NoSecret);
    } else if here.len() > secrets {
        findings.push(Finding::SecretsMissing {
            endpoints: here.len(),
            secrets,
        });
    }
    findings
}

/// One that is on its way out lacks nothing: the one that took its place sends all.
fn of_an_endpoint(
    endpoints: &dyn Endpoints,
    there: &Endpoint,
    held: Option<&WebhookEndpoint>,
) -> Vec<Finding> {
    if held.is_some_and(|held| held.state == EndpointState::Retiring) {
        return Vec::new();
    }
    let endpoint = there.reference.clone();
    let lacks = there.lacks(endpoints.followed());
    let wanted = endpoints.api_version();
    let elsewhere = held.filter(|held| held.url != there.url);
    let findings = [
        (!there.enabled).then(|| Finding::Disabled {
            endpoint: endpoint.clone(),
        }),
        (!lacks.is_empty()).then(|| Finding::TypesMissing {
            endpoint: endpoint.clone(),
            types: lacks,
        }),
        (there.api_version.as_deref() != Some(wanted)).then(|| Finding::OtherApiVersion {
            endpoint: endpoint.clone(),
            found: there.api_version.clone(),
            wanted,
        }),
        elsewhere.map(|held| Finding::OtherUrl {
            endpoint,
            found: there.url.clone(),
            wanted: held.url.clone(),
        }),
    ];
    findings.into_iter().flatten().collect()
}
