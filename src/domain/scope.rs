//! What a key may do beside what every key may.

/// One thing that a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Look at events, but not into them.
    EventsRead,
    /// See the bytes of an event, which hold personal data.
    EventsPayload,
    /// Have events applied again.
    EventsWrite,
    /// Look at the messages for Odoo.
    OutboxRead,
    /// Have messages for Odoo sent again, or skip them.
    OutboxWrite,
    /// Look at exceptions.
    ExceptionsRead,
    /// Resolve and reopen them.
    ExceptionsWrite,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::EventsRead,
        Self::EventsPayload,
        Self::EventsWrite,
        Self::OutboxRead,
        Self::OutboxWrite,
        Self::ExceptionsRead,
        Self::ExceptionsWrite,
    ];

    /// What a key may do where nothing is said: look, and change nothing.
    pub const USUAL: [Self; 3] = [Self::EventsRead, Self::OutboxRead, Self::ExceptionsRead];

    /// The stable word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EventsRead => "events:read",
            Self::EventsPayload => "events:payload",
            Self::EventsWrite => "events:write",
            Self::OutboxRead => "outbox:read",
            Self::OutboxWrite => "outbox:write",
            Self::ExceptionsRead => "exceptions:read",
            Self::ExceptionsWrite => "exceptions:write",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no scope; there are {}", Scope::ALL.map(Scope::word).join(", "))]
pub struct NoScope;

impl std::str::FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.word() == text)
            .ok_or(NoScope)
    }
}
