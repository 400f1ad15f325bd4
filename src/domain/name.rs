//! What people call a thing.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::card_number::holds_card_number;

/// What people call a merchant or a key: 1 to 200 characters, without the space around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {} printable characters, and no place for a card number",
    Name::LIMIT
)]
pub struct NoName;

impl Name {
    /// How many characters it may have.
    pub const LIMIT: usize = 200;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let text = text.trim();
        let fits = (1..=Self::LIMIT).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
            && !holds_card_number(text);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoName)
        }
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
