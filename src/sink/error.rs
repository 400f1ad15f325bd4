//! Why Odoo does not have a message, and in whose words.

use std::fmt::{Debug, Display, Formatter, Result};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::domain::redact::mask;

/// Why Odoo does not have it, sorted by what to do next. Never holds a key, a body or Odoo's traceback.
///
/// `Display` and `Debug` are for the log and leave out what Odoo said; [`told`](Self::told) is for whoever may see the message.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SinkError {
    /// Odoo looked at it and said no: it will again until something there changes.
    #[error("odoo refused: {message}")]
    Refused {
        /// Odoo's own short message.
        message: Words,
    },
    /// Our addon cannot take it in as its books are, and says why: a person is told at once.
    #[error("odoo rejected: {message}")]
    Rejected {
        /// The addon's own reason.
        message: Words,
    },
    /// Another transaction of Odoo's holds what it is about: sending again in a moment is what to do.
    #[error("odoo asks to be told later")]
    Later,
    /// What was read back is not what was sent: a person must look.
    #[error("odoo recorded something else: {message}")]
    Differs {
        /// What differs, in words.
        message: Words,
    },
    /// The key is wrong, expired or lacks a right: the instance waits, no attempt is spent.
    #[error("odoo does not accept our key: {message}")]
    Unauthorized {
        /// Odoo's own short message.
        message: Words,
    },
    /// It did not answer or was busy, and may or may not have acted: sending again is safe and is what to do.
    #[error("odoo is unreachable: {message}")]
    Unreachable {
        /// What the connection said.
        message: Words,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// Its address is one that configuration does not allow: nothing was sent.
    #[error("the address is not allowed: {message}")]
    NotAllowed {
        /// Which one, and what to set.
        message: Words,
    },
    /// It says that nobody is there any more: nothing is sent until a person says otherwise.
    #[error("odoo says that the address is gone for good")]
    Gone,
}

impl SinkError {
    /// What happened, with Odoo's own words: for the message's owner, never for a log.
    #[must_use]
    pub fn told(&self) -> String {
        let mut owned = self.clone();
        if let Some(message) = owned.message() {
            message.ours = true;
        }
        owned.to_string()
    }

    /// The same error, should Odoo have repeated a secret that it was given.
    #[must_use]
    pub fn without(mut self, secret: &SecretString) -> Self {
        if let Some(message) = self.message()
            && message.text.contains(secret.expose_secret())
        {
            message.text = message.text.replace(secret.expose_secret(), "[removed]");
        }
        self
    }

    fn message(&mut self) -> Option<&mut Words> {
        match self {
            Self::Refused { message }
            | Self::Rejected { message }
            | Self::Differs { message }
            | Self::Unauthorized { message }
            | Self::Unreachable { message, .. }
            | Self::NotAllowed { message } => Some(message),
            Self::Later | Self::Gone => None,
        }
    }
}

/// What is known of a failure: in our words, or in Odoo's, which may name a person and are not for the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Words {
    text: String,
    ours: bool,
}

impl Words {
    /// Odoo's words, without what has the form of a secret.
    #[must_use]
    pub fn of_odoo(text: &str) -> Self {
        Self {
            text: mask(text).into_owned(),
            ours: false,
        }
    }

    /// All of them.
    #[must_use]
    pub fn told(&self) -> &str {
        &self.text
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self { text, ours: true }
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Display for Words {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(if self.ours {
            &self.text
        } else {
            "in its own words, which are kept with the message"
        })
    }
}

impl Debug for Words {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odoos_words_are_for_the_owner_of_the_message_and_not_for_the_log() {
        let key = SecretString::from("canary-key".to_owned());
        let error = SinkError::Refused {
            message: Words::of_odoo("Jo Canary <jo@example.com> has no account, says canary-key"),
        }
        .without(&key);
        for logged in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
            assert!(!logged.contains("Canary"), "{logged}");
        }
        assert_eq!(
            error.told(),
            "odoo refused: Jo Canary <[removed]> has no account, says [removed]"
        );
        assert_eq!(SinkError::Gone.told(), SinkError::Gone.to_string());
    }
}
