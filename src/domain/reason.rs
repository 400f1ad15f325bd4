//! Why a person did something that others must understand later.

use super::card_number::holds_card_number;

/// Why a person let something go, settled it or took it up again: 1 to 500 characters, for whoever reads the books later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// A text that is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {} characters that say something, and no place for a card number",
    Reason::LIMIT
)]
pub struct NoReason;

impl Reason {
    /// How many characters it may have.
    pub const LIMIT: usize = 500;

    /// Takes a text for a reason, without the space around it.
    ///
    /// # Errors
    /// [`NoReason`].
    pub fn parse(text: &str) -> Result<Self, NoReason> {
        let text = text.trim();
        let fits = !text.is_empty()
            && text.chars().count() <= Self::LIMIT
            && !text.contains('\0')
            && !holds_card_number(text);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoReason)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
