//! What a key may do.

/// One thing that a key may do. Every route wants exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Look at payments, customers, what they left, and disputes.
    PaymentsRead,
    /// Ask for money, call payments off, make customers and setups.
    PaymentsWrite,
    /// Take what is held.
    PaymentsCapture,
    /// Give money back, and answer or accept disputes, which take it back.
    RefundsWrite,
    /// Look at payouts, line by line.
    PayoutsRead,
    /// Say what money that did not start here pays.
    ReconciliationWrite,
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
    /// Look at exceptions, and at the audit that finds them.
    ExceptionsRead,
    /// Resolve and reopen them.
    ExceptionsWrite,
    /// Connect an Odoo with our addon, and see how its connection stands.
    OdooConnect,
    /// Set the merchant up: accounts, Odoo instances and keys. Moves no money, but makes keys that do.
    Admin,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 15] = [
        Self::PaymentsRead,
        Self::PaymentsWrite,
        Self::PaymentsCapture,
        Self::RefundsWrite,
        Self::PayoutsRead,
        Self::ReconciliationWrite,
        Self::EventsRead,
        Self::EventsPayload,
        Self::EventsWrite,
        Self::OutboxRead,
        Self::OutboxWrite,
        Self::ExceptionsRead,
        Self::ExceptionsWrite,
        Self::OdooConnect,
        Self::Admin,
    ];

    /// The stable word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PaymentsRead => "payments:read",
            Self::PaymentsWrite => "payments:write",
            Self::PaymentsCapture => "payments:capture",
            Self::RefundsWrite => "refunds:write",
            Self::PayoutsRead => "payouts:read",
            Self::ReconciliationWrite => "reconciliation:write",
            Self::EventsRead => "events:read",
            Self::EventsPayload => "events:payload",
            Self::EventsWrite => "events:write",
            Self::OutboxRead => "outbox:read",
            Self::OutboxWrite => "outbox:write",
            Self::ExceptionsRead => "exceptions:read",
            Self::ExceptionsWrite => "exceptions:write",
            Self::OdooConnect => "odoo:connect",
            Self::Admin => "admin",
        }
    }

    /// What it lets its bearer do, for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::PaymentsRead => "look at payments, customers, what they left, and disputes",
            Self::PaymentsWrite => "ask for money, call payments off, make customers and setups",
            Self::PaymentsCapture => "take what is held",
            Self::RefundsWrite => "give money back; answer or accept disputes",
            Self::PayoutsRead => "look at payouts, line by line",
            Self::ReconciliationWrite => "say what a payment made in Stripe's dashboard pays",
            Self::EventsRead => "look at events, but not into them",
            Self::EventsPayload => "see the bytes of events, which hold personal data",
            Self::EventsWrite => "have events applied again",
            Self::OutboxRead => "look at the messages for Odoo",
            Self::OutboxWrite => "have them sent again, or skip a dead one",
            Self::ExceptionsRead => "look at exceptions, and at the audit",
            Self::ExceptionsWrite => "resolve and reopen exceptions",
            Self::OdooConnect => "connect an Odoo with the addon, and see how that stands",
            Self::Admin => "set the merchant up; moves no money, but makes keys that do",
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

/// A set of scopes for what keys are usually made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// An Odoo, or a shop: all about payments, and a look at the rest.
    Odoo,
    /// Looks at everything but the bytes of events, and changes nothing.
    Read,
    /// Heals: replays, skips, resolves, links. Moves no money.
    Support,
    /// Sets the merchant up, and does nothing else.
    Admin,
}

impl Preset {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Odoo, Self::Read, Self::Support, Self::Admin];

    /// The stable word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Odoo => "odoo",
            Self::Read => "read",
            Self::Support => "support",
            Self::Admin => "admin",
        }
    }

    /// The scopes that it stands for.
    #[must_use]
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Odoo => &[
                Scope::PaymentsRead,
                Scope::PaymentsWrite,
                Scope::PaymentsCapture,
                Scope::RefundsWrite,
                Scope::PayoutsRead,
                Scope::EventsRead,
                Scope::OutboxRead,
                Scope::ExceptionsRead,
                Scope::OdooConnect,
            ],
            Self::Read => &[
                Scope::PaymentsRead,
                Scope::PayoutsRead,
                Scope::EventsRead,
                Scope::OutboxRead,
                Scope::ExceptionsRead,
            ],
            Self::Support => &[
                Scope::PaymentsRead,
                Scope::PayoutsRead,
                Scope::ReconciliationWrite,
                Scope::EventsRead,
                Scope::EventsWrite,
                Scope::OutboxRead,
                Scope::OutboxWrite,
                Scope::ExceptionsRead,
                Scope::ExceptionsWrite,
            ],
            Self::Admin => &[Scope::Admin],
        }
    }
}

/// A word that is no preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no preset; there are {}", Preset::ALL.map(Preset::word).join(", "))]
pub struct NoPreset;

impl std::str::FromStr for Preset {
    type Err = NoPreset;

    fn from_str(text: &str) -> Result<Self, NoPreset> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.word() == text)
            .ok_or(NoPreset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_that_heals_or_reads_moves_no_money_and_makes_no_keys() {
        for preset in [Preset::Read, Preset::Support] {
            for scope in preset.scopes() {
                assert!(
                    !matches!(
                        scope,
                        Scope::PaymentsWrite | Scope::PaymentsCapture | Scope::RefundsWrite | Scope::Admin
                    ),
                    "{scope}"
                );
            }
        }
        assert!(!Preset::Odoo.scopes().contains(&Scope::Admin));
    }

    #[test]
    fn every_word_is_read_back_and_no_other_is() {
        for scope in Scope::ALL {
            assert_eq!(scope.word().parse(), Ok(scope));
        }
        for preset in Preset::ALL {
            assert_eq!(preset.word().parse(), Ok(preset));
        }
        assert_eq!("payments".parse::<Scope>(), Err(NoScope));
        assert_eq!("".parse::<Preset>(), Err(NoPreset));
    }
}
