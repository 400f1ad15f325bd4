//! The keys that wrap data keys: one that wraps, and those that may still unwrap.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::table::{PREFIX, about};
use super::{ConfigError, Raw};
use crate::crypto::{Kek, KeyRing, LocalKek, Sealer};

/// What stands for a setting without a value.
const NONE: &str = "none";

/// Where the key is that wraps.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum SealingProvider {
    Environment,
    File,
    Vault,
}

/// Reads all keys that are named. Only the provider's wraps; the others may still unwrap.
pub(super) fn sealer(raw: &Raw) -> Result<Sealer, ConfigError> {
    let environment = raw
        .sealing_key
        .as_ref()
        .map(|key| parse("SEALING_KEY", key))
        .transpose()?;
    let mut others = previous(&raw.sealing_keys_previous)?;
    let mut file = file(&raw.sealing_key_file)?.into_iter();
    let vault = vault(raw)?;
    let missing = |key: &str| {
        let name = key.to_uppercase();
        ConfigError(format!("{PREFIX}{name} is not set: {}", about(key)))
    };
    let current = match raw.sealing_provider {
        SealingProvider::Environment => {
            others.extend(vault);
            environment.ok_or_else(|| missing("sealing_key"))?
        }
        SealingProvider::File => {
            others.extend(environment.into_iter().chain(vault));
            file.next().ok_or_else(|| missing("sealing_key_file"))?
        }
        SealingProvider::Vault => {
            others.extend(environment);
            vault.ok_or_else(|| missing("vault_address"))?
        }
    };
    others.extend(file);
    Ok(Sealer::new(KeyRing::new(current, others)))
}

fn parse(name: &str, key: &SecretString) -> Result<Arc<dyn Kek>, ConfigError> {
    match LocalKek::parse(key) {
        Ok(kek) => Ok(Arc::new(kek)),
        Err(error) => Err(ConfigError(format!("{PREFIX}{name} {error}"))),
    }
}

/// The keys between commas.
fn previous(list: &SecretString) -> Result<Vec<Arc<dyn Kek>>, ConfigError> {
    match list.expose_secret().trim() {
        "" | NONE => Ok(Vec::new()),
        list => list
            .split(',')
            .map(|key| parse("SEALING_KEYS_PREVIOUS", &key.to_owned().into()))
            .collect(),
    }
}

/// The keys of a file, one on each line.
fn file(path: &str) -> Result<Vec<Arc<dyn Kek>>, ConfigError> {
    if path == NONE {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| {
            ConfigError(format!(
                "{PREFIX}SEALING_KEY_FILE names {path}, which cannot be read: {error}"
            ))
        })?;
    let keys = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            parse("SEALING_KEY_FILE", &line.to_owned().into())
                .map_err(|error| ConfigError(format!("{error} (in {path}, one key on each line)")))
        })
        .collect::<Result<Vec<_>, ConfigError>>()?;
    if keys.is_empty() {
        return Err(ConfigError(format!(
            "{PREFIX}SEALING_KEY_FILE names {path}, which holds no key"
        )));
    }
    Ok(keys)
}

#[cfg(feature = "vault")]
fn vault(raw: &Raw) -> Result<Option<Arc<dyn Kek>>, ConfigError> {
    use crate::vault::TransitKek;

    if raw.vault_address == NONE {
        return Ok(None);
    }
    match TransitKek::new(&raw.vault_address, &raw.vault_transit_key, &raw.vault_token_file) {
        Ok(kek) => Ok(Some(Arc::new(kek))),
        Err(error) => Err(ConfigError(format!("{PREFIX}{error}"))),
    }
}

#[cfg(not(feature = "vault"))]
fn vault(raw: &Raw) -> Result<Option<Arc<dyn Kek>>, ConfigError> {
    let is_named = [&raw.vault_address, &raw.vault_token_file]
        .iter()
        .any(|text| *text != NONE)
        || !raw.vault_transit_key.contains('/')
        || raw.sealing_provider == SealingProvider::Vault;
    if is_named {
        return Err(ConfigError(format!(
            "{PREFIX}VAULT_ADDRESS cannot be used: this program was built without the feature `vault`"
        )));
    }
    Ok(None)
}
