//! Who calls.

use secrecy::SecretString;

use super::{App, AppError};
use crate::domain::api_key;
use crate::domain::ids::{ApiKeyId, MerchantId};
use crate::domain::scope::Scope;
use crate::store;

/// A program of a merchant's that proved itself with an API key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose program it is. Everything it does stays within that merchant.
    pub merchant_id: MerchantId,
    /// Its key: the principal that idempotency keys belong to.
    pub key_id: ApiKeyId,
    /// Whether it moves real money. Test and live never meet.
    pub live: bool,
    /// What it may do beside what every key may.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// The caller as an operator, where its key has the scope for what it is about to do.
    ///
    /// # Errors
    /// [`AppError::ScopeMissing`].
    pub fn operator(&self, scope: Scope) -> Result<Operator, AppError> {
        if self.scopes.contains(&scope) {
            Ok(Operator {
                merchant_id: self.merchant_id,
                live: self.live,
                name: self.key_id.to_string(),
            })
        } else {
            Err(AppError::ScopeMissing(scope))
        }
    }
}

/// Somebody who looks after a merchant's events, messages and exceptions. There is no way to one but a key with the scope, or the command
/// line.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(super) merchant_id: MerchantId,
    pub(super) live: bool,
    /// What is written down of who it was.
    pub(super) name: String,
}

impl Operator {
    /// Whoever may run commands on this machine.
    #[must_use]
    pub fn at_the_command_line(merchant: MerchantId, live: bool) -> Self {
        Self {
            merchant_id: merchant,
            live,
            name: "cli".to_owned(),
        }
    }
}

/// Whose things are looked at, and of which mode.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    pub(super) merchant_id: MerchantId,
    pub(super) live: bool,
}

impl From<&Caller> for Whose {
    fn from(caller: &Caller) -> Self {
        Self {
            merchant_id: caller.merchant_id,
            live: caller.live,
        }
    }
}

impl From<&Operator> for Whose {
    fn from(operator: &Operator) -> Self {
        Self {
            merchant_id: operator.merchant_id,
            live: operator.live,
        }
    }
}

/// Finds out who presents a key; `None` where nobody may.
pub async fn authenticate(app: &App, key: &SecretString) -> Result<Option<Caller>, AppError> {
    let hash = api_key::hash_presented(key);
    let mut conn = app.db.read_presented(&hash).await?;
    let found = store::api_keys::find(&mut conn, &hash).await?;
    Ok(found.map(|key| Caller {
        merchant_id: key.merchant_id,
        key_id: key.id,
        live: key.live,
        scopes: key.scopes,
    }))
}
