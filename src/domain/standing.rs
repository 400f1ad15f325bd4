//! What an account at a provider may do, as the provider tells.

use time::OffsetDateTime;

use super::payment::Decision;

/// What a provider says of an account at one moment. What it does not say stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether customers can be charged.
    pub charges_enabled: Option<bool>,
    /// Whether money is paid out.
    pub payouts_enabled: Option<bool>,
    /// What the provider still wants to know.
    pub requirements: Option<Requirements>,
    /// Where it is, ISO 3166.
    pub country: Option<String>,
    /// What it settles in by default, ISO 4217 in upper case.
    pub default_currency: Option<String>,
}

/// What a provider still wants to know of who stands behind an account. What exactly is the provider's to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// How many things are due.
    pub due_count: i32,
    /// The provider's word for why something is switched off.
    pub disabled_reason: Option<String>,
}

/// An account's standing, as the provider last told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldStanding {
    /// What it may do.
    pub told: Standing,
    /// Of which moment that is, by the provider's clock.
    pub told_at: Option<OffsetDateTime>,
    /// Since when our calls for it are not taken, by the provider's clock.
    pub deauthorized_at: Option<OffsetDateTime>,
}

impl HeldStanding {
    /// Decides what a word of a moment means for what we hold.
    ///
    /// Accounts carry no version, but an event shows its account whole and says when that was, in whole seconds. So a later
    /// moment is news, an earlier one is old, and two different words of one second cannot be placed: then the account is
    /// read.
    #[must_use]
    pub fn decide(&self, said: &Standing, at: OffsetDateTime) -> Decision {
        let Some(told_at) = self.told_at else {
            return Decision::Apply;
        };
        if at > told_at {
            Decision::Apply
        } else if at < told_at {
            Decision::Stale
        } else if self.with(said).told == self.told {
            Decision::AlreadySo
        } else {
            Decision::Ask
        }
    }

    /// Takes in a word of a moment. Whether charges are switched off by it.
    ///
    /// A provider tells of an account only whom the account lets in, so a word of later than a deauthorization ends that.
    pub fn take_in(&mut self, said: &Standing, at: OffsetDateTime) -> bool {
        let could_charge = self.told.charges_enabled != Some(false);
        *self = self.with(said);
        self.told_at = Some(at);
        self.deauthorized_at = self.deauthorized_at.filter(|since| *since >= at);
        could_charge && self.told.charges_enabled == Some(false)
    }

    /// Takes in that our calls are not taken any more. `false` where it is known, or over by now.
    pub fn shut_out(&mut self, at: OffsetDateTime) -> bool {
        let is_over = self.told_at.is_some_and(|told_at| told_at > at);
        if is_over || self.deauthorized_at.is_some_and(|since| since >= at) {
            return false;
        }
        self.deauthorized_at = Some(at);
        true
    }

    fn with(&self, said: &Standing) -> Self {
        let (said, held) = (said.clone(), self.told.clone());
        Self {
            told: Standing {
                charges_enabled: said.charges_enabled.or(held.charges_enabled),
                payouts_enabled: said.payouts_enabled.or(held.payouts_enabled),
                requirements: said.requirements.or(held.requirements),
                country: said.country.or(held.country),
                default_currency: said.default_currency.or(held.default_currency),
            },
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const THEN: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);
    const LATER: OffsetDateTime = datetime!(2026-11-24 12:01 UTC);

    fn charging(enabled: bool) -> Standing {
        Standing {
            charges_enabled: Some(enabled),
            ..Standing::default()
        }
    }

    #[test]
    fn an_older_word_never_overwrites_a_newer_one_and_two_of_one_second_are_asked_about() {
        let mut held = HeldStanding::default();
        assert_eq!(held.decide(&charging(true), LATER), Decision::Apply);
        held.take_in(&charging(true), LATER);
        assert_eq!(held.decide(&charging(false), THEN), Decision::Stale);
        assert_eq!(held.decide(&charging(true), LATER), Decision::AlreadySo);
        assert_eq!(held.decide(&Standing::default(), LATER), Decision::AlreadySo);
        assert_eq!(held.decide(&charging(false), LATER), Decision::Ask);
    }

    #[test]
    fn what_is_not_said_stays_as_it_was_and_charges_are_switched_off_once() {
        let mut held = HeldStanding::default();
        let requirements = Some(Requirements {
            due_count: 2,
            disabled_reason: Some("requirements.past_due".to_owned()),
        });
        let restricted = Standing {
            requirements: requirements.clone(),
            ..charging(false)
        };
        assert!(held.take_in(&restricted, THEN));
        assert!(!held.take_in(&Standing::default(), LATER));
        assert_eq!(held.told.charges_enabled, Some(false));
        assert_eq!(held.told.requirements, requirements);
        assert!(!held.take_in(&charging(true), LATER));
        assert!(held.take_in(&charging(false), LATER));
    }

    #[test]
    fn who_is_shut_out_stays_so_until_a_later_word() {
        let mut held = HeldStanding::default();
        assert!(held.shut_out(THEN));
        assert!(!held.shut_out(THEN), "it is known");
        held.take_in(&charging(true), THEN);
        assert_eq!(held.deauthorized_at, Some(THEN));
        held.take_in(&charging(true), LATER);
        assert_eq!(held.deauthorized_at, None);
        assert!(!held.shut_out(THEN), "it is over");
    }
}
