//! Why a provider gave no outcome, sorted by what to do next.

use std::time::Duration;

/// How an operation may have happened although nobody said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// No usable answer came: repeating under the same key finds out.
    NoAnswer,
    /// A failure is stored under the key, or the key was used for another request: repeating would tell the same for
    /// ever, and only looking up finds out.
    Stored,
}

/// Why there is no outcome. `Display` holds no secret, no body and not the provider's own words: it is for the log.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The request itself is wrong; the same one always will be.
    #[error("the provider refused the request: {code}")]
    Invalid {
        /// The provider's code, such as `resource_missing`.
        code: String,
        /// The provider's words, which may repeat what it was sent: for the caller, never for a log.
        message: String,
        /// The parameter at fault, where it says.
        param: Option<String>,
    },
    /// Our key is wrong or lacks a right. Nothing happened.
    #[error("the provider does not accept the account's key")]
    Auth,
    /// Our key is a restricted one that may not do this. Nothing happened.
    #[error("the account's key lacks the permission {permission}")]
    Lacks {
        /// The provider's name of it.
        permission: String,
    },
    /// Too many requests. Nothing happened.
    #[error("the provider's rate limit is reached")]
    RateLimited {
        /// When to come back, where it says.
        after: Option<Duration>,
    },
    /// The request never left, or the provider was busy with the object, or it was a read. Nothing happened.
    #[error("the provider cannot be reached: {message}")]
    Unavailable {
        /// What the connection said.
        message: String,
    },
    /// It may have happened.
    #[error("the provider's answer is unclear: {message}")]
    Ambiguous {
        /// Whether repeating can find out.
        ambiguity: Ambiguity,
        /// What was seen.
        message: String,
    },
}

impl ProviderError {
    /// What happened, with the provider's own words: for the account's owner, never for a log.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Invalid { message, .. } if !message.is_empty() => format!("{self}: {message}"),
            Self::Invalid { .. }
            | Self::Auth
            | Self::Lacks { .. }
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::Ambiguous { .. } => self.to_string(),
        }
    }

    /// It was waited for as long as a caller can wait.
    #[must_use]
    pub fn too_slow() -> Self {
        Self::Unavailable {
            message: "it did not answer in time".to_owned(),
        }
    }
}
