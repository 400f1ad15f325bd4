//! Looks at everything that the service needs, and says what to do about what is not as it should be. Changes nothing.

mod accounts;
mod database;
mod instances;
mod keys;
mod queues;

use std::fmt;

use serde::Serialize;

use super::error::no;
use super::{App, AppError};
use crate::domain::ids::MerchantId;
use crate::store;
use crate::store::merchants::Merchant;

pub use database::{database, unreachable};

/// How many of a list are read at once.
const PAGE: i64 = 100;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warning,
    /// Something does not work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What was looked at, and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, such as `database.migrations`.
    pub check: &'static str,
    /// Whose: the id of a merchant, an account or an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// How it is.
    pub said: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(check: &'static str, said: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            check,
            of: None,
            said: said.into(),
            remedy: None,
        }
    }

    /// Something at which somebody should look.
    pub fn warning(check: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            remedy: Some(remedy.into()),
            ..Self::ok(check, said)
        }
    }

    /// Something that does not work.
    pub fn error(check: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            ..Self::warning(check, said, remedy)
        }
    }

    fn of(self, id: impl fmt::Display) -> Self {
        Self {
            of: Some(id.to_string()),
            ..self
        }
    }

    /// Whether it is an error of a group of checks.
    #[must_use]
    pub fn is_error_of(&self, group: &str) -> bool {
        self.level == Level::Error && self.check.starts_with(group)
    }
}

/// Looks at keys, accounts, instances and queues: of one merchant, or of all.
pub async fn run(app: &App, merchant: Option<MerchantId>) -> Vec<Finding> {
    let mut findings = keys::look(app).await;
    match list_merchants(app, merchant).await {
        Ok(merchants) if merchants.is_empty() => findings.push(Finding::warning(
            "merchants.any",
            "there is no merchant",
            "run `quittance merchant add`",
        )),
        Ok(merchants) => {
            for merchant in merchants {
                findings.extend(of_merchant(app, &merchant).await);
            }
        }
        Err(error) => findings.push(unread("merchants.any", &error)),
    }
    if merchant.is_none() {
        findings.extend(queues::look(app).await);
    }
    findings
}

async fn list_merchants(app: &App, merchant: Option<MerchantId>) -> Result<Vec<Merchant>, AppError> {
    let ids = match merchant {
        Some(merchant) => vec![merchant],
        None => store::merchants::list(&mut *app.db.dispatch().await?).await?,
    };
    let mut merchants = Vec::new();
    for id in ids {
        let mut conn = app.db.read(id).await?;
        merchants.push(
            store::merchants::get(&mut conn, id)
                .await
                .map_err(no("merchant"))?,
        );
    }
    Ok(merchants)
}

async fn of_merchant(app: &App, merchant: &Merchant) -> Vec<Finding> {
    if merchant.disabled_at.is_some() {
        let said = format!("{} is disabled: its keys are refused", merchant.name);
        let remedy = "run `quittance merchant enable`, if that is not meant";
        return vec![Finding::warning("merchants.enabled", said, remedy).of(merchant.id)];
    }
    let mut findings = accounts::look(app, merchant.id).await;
    findings.extend(instances::look(app, merchant.id).await);
    findings.extend(queues::of_merchant(app, merchant.id).await);
    findings
}

/// Something that the database did not tell.
fn unread(check: &'static str, error: &AppError) -> Finding {
    Finding::error(check, told(error), "look at the log of the database")
}

/// What happened, in the words of whoever said so: this is for the operator's eyes.
fn told(error: &AppError) -> String {
    if let AppError::Provider(error) = error {
        return error.told();
    }
    if let AppError::Sink(error) = error {
        return error.told();
    }
    error.to_string()
}
