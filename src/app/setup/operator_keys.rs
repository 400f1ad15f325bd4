//! Operators' keys: made and revoked at the command line alone, so that no key makes another one like itself.

use secrecy::SecretString;
use time::OffsetDateTime;

use crate::app::error::no;
use crate::app::{App, AppError, commit};
use crate::crypto::random;
use crate::domain::api_key::{KeyKind, NewApiKey};
use crate::domain::ids::OperatorKeyId;
use crate::domain::name::Name;
use crate::domain::network::Networks;
use crate::store;

pub use crate::store::operator_keys::OperatorKey;

/// A new key with its text, which is shown once.
#[derive(Debug)]
pub struct MadeOperatorKey {
    /// The key.
    pub key: OperatorKey,
    /// What its bearer sends.
    pub text: SecretString,
}

/// Makes an operator's key: the first one, or where `another` says so one more. Of several at once, one makes the first.
///
/// # Errors
/// [`AppError::Refused`] where there is one; [`AppError::Invalid`] where it would be over already.
pub async fn bootstrap(
    app: &App,
    name: &Name,
    networks: &Networks,
    expires_at: Option<OffsetDateTime>,
    another: bool,
) -> Result<MadeOperatorKey, AppError> {
    let new = NewApiKey::new(KeyKind::Operator, &random()?);
    let now = app.clock.now();
    if expires_at.is_some_and(|at| at <= now) {
        return Err(AppError::Invalid {
            field: "expires_at",
            code: "invalid_expiry",
            message: "must be in the future".to_owned(),
        });
    }
    let mut tx = app.db.begin_for([]).await?;
    store::operator_keys::lock_all(&mut tx).await?;
    if !another && store::operator_keys::count_good(&mut tx, now).await? > 0 {
        return Err(AppError::Refused {
            code: "operator_key_exists",
            message: "there is an operator's key; ask for --another, or see `quittance admin list`"
                .to_owned(),
        });
    }
    let key = OperatorKey {
        id: OperatorKeyId::generate(),
        name: name.as_str().to_owned(),
        prefix: new.prefix,
        networks: networks.clone(),
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    store::operator_keys::insert(&mut tx, &key, &new.hash).await?;
    commit(tx).await?;
    Ok(MadeOperatorKey { key, text: new.text })
}

/// All of them, newest first, those that ended too.
pub async fn list(app: &App) -> Result<Vec<OperatorKey>, AppError> {
    let mut conn = app.db.read_for([]).await?;
    Ok(store::operator_keys::list(&mut conn).await?)
}

/// Revokes a key: it is refused on every replica within a second.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn revoke(app: &App, id: OperatorKeyId) -> Result<(), AppError> {
    let mut tx = app.db.begin_for([]).await?;
    let done = store::operator_keys::revoke(&mut tx, id, app.clock.now()).await;
    done.map_err(no("operator key"))?;
    commit(tx).await?;
    app.keys.forget_all();
    Ok(())
}
