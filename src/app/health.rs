//! Whether this process can serve.

use super::App;
use crate::store::MIGRATOR;
use crate::store::health;

/// Why this process cannot serve yet.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// No connection, or no answer.
    #[error("the database cannot be reached")]
    Database,
    /// The schema is older than this version.
    #[error("migrations are missing; run `quittance migrate`")]
    Migrations,
    /// The database was set up with another key.
    #[error("QUITTANCE_SEALING_KEY does not open what the database holds")]
    Key,
}

/// Asks the database, its migrations and the sealing key.
///
/// # Errors
/// [`Unready`] says what is missing.
pub async fn check(app: &App) -> Result<(), Unready> {
    let mut conn = app.db.read_for([]).await.map_err(|_| Unready::Database)?;
    let applied = health::latest_migration(&mut conn)
        .await
        .map_err(|_| Unready::Database)?;
    let wanted = MIGRATOR.iter().map(|migration| migration.version).max();
    if applied < wanted {
        return Err(Unready::Migrations);
    }
    drop(conn);
    match health::key_opens(&app.db, &app.sealer).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Unready::Key),
        Err(_) => Err(Unready::Database),
    }
}
