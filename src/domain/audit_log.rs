//! Who did what to which merchant's what: entries of a chain, in which a change shows.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

/// Who acts, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// An API key (`key_…`), an operator's, or `cli`.
    pub name: String,
    /// Where from; none at the command line.
    pub address: Option<IpAddr>,
    /// The request in which it acts, as its answer names it.
    pub request_id: Option<String>,
}

impl Actor {
    /// Whoever may run commands on the machine.
    #[must_use]
    pub fn at_the_command_line() -> Self {
        Self {
            name: "cli".to_owned(),
            address: None,
            request_id: None,
        }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $name,)+
        }

        impl Action {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

actions! {
    /// A payment was asked for.
    PaymentCreate = "payment.create",
    /// A payment's customer was sent to pay.
    PaymentConfirm = "payment.confirm",
    /// Money that is held was asked for.
    PaymentCapture = "payment.capture",
    /// A payment was asked to be let go.
    PaymentCancel = "payment.cancel",
    /// Money was asked to be given back.
    RefundCreate = "refund.create",
    /// A page of the provider's was asked for.
    CheckoutCreate = "checkout_session.create",
    /// A customer was made or changed.
    CustomerPut = "customer.put",
    /// The saving of a payment method was begun.
    SetupCreate = "setup.create",
    /// A saved payment method was made a customer's usual one.
    MethodDefault = "payment_method.set_default",
    /// A saved payment method was let go.
    MethodDetach = "payment_method.detach",
    /// Evidence was handed in.
    DisputeEvidence = "dispute.evidence",
    /// A dispute was given up.
    DisputeAccept = "dispute.accept",
    /// The bytes of an event were looked at.
    EventPayload = "event.payload",
    /// An event is to be applied again.
    EventReplay = "event.replay",
    /// A message for Odoo is to be sent again.
    MessageReplay = "message.replay",
    /// A message for Odoo was skipped.
    MessageSkip = "message.skip",
    /// A difference was settled.
    ExceptionResolve = "exception.resolve",
    /// A difference was found not to be settled.
    ExceptionReopen = "exception.reopen",
    /// It was said what a payment made elsewhere pays.
    ExceptionLink = "exception.link",
    /// Books were opened for an account with a past.
    AccountOpen = "provider_account.open",
    /// A merchant was added.
    MerchantCreate = "merchant.create",
    /// A merchant was renamed, disabled or enabled.
    MerchantUpdate = "merchant.update",
    /// All that is known of a customer was handed out.
    MerchantExport = "merchant.export",
    /// What is personal of a customer was erased.
    MerchantErase = "merchant.erase",
    /// An account at a provider was added.
    AccountCreate = "provider_account.create",
    /// An account, or a secret of it, was changed.
    AccountUpdate = "provider_account.update",
    /// The provider was told where to send events, or not to any more.
    AccountEndpoint = "provider_account.endpoint",
    /// An Odoo instance was added.
    InstanceCreate = "odoo_instance.create",
    /// An Odoo instance, or a secret of it, was changed.
    InstanceUpdate = "odoo_instance.update",
    /// An Odoo with our addon connected itself.
    InstanceConnect = "odoo_instance.connect",
    /// Journals were mapped.
    InstanceSetup = "odoo_instance.setup",
    /// An API key was made.
    KeyCreate = "api_key.create",
    /// An API key was ended, or is to end.
    KeyRevoke = "api_key.revoke",
    /// An API key was followed by another one.
    KeyRoll = "api_key.roll",
    /// All that is sealed was sealed with a new data key.
    KeysRotate = "keys.rotate",
}

/// One entry, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Where it stands in its merchant's chain, from 1.
    pub sequence: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// What: an [`Action`]'s word, or one of a later version.
    pub action: String,
    /// To what, by its id.
    pub subject: String,
    /// What else matters of it: a JSON object.
    pub detail: String,
    /// In which request.
    pub request_id: Option<String>,
    /// The digest of where from.
    pub origin_digest: Option<Vec<u8>>,
    /// Where from and the salt of the digest, as long as they are kept.
    pub origin: Option<(String, Vec<u8>)>,
    /// The hash of the entry before.
    pub previous: Vec<u8>,
    /// Its own.
    pub hash: Vec<u8>,
}

/// What comes before a chain's first entry.
pub const START: [u8; 32] = [0; 32];

impl AuditEntry {
    /// The hash that it must have: SHA-256 of the one before and of each field behind its length, as migration 0033 writes it.
    #[must_use]
    pub fn expected_hash(&self, merchant: Uuid) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(&self.previous);
        let micros = self.at.unix_timestamp_nanos() / 1_000;
        let digest = self.origin_digest.as_ref().map(|digest| hex(digest));
        for field in [
            Some(merchant.to_string()).as_deref(),
            Some(self.sequence.to_string()).as_deref(),
            Some(micros.to_string()).as_deref(),
            Some(&self.actor),
            Some(&self.action),
            Some(&self.subject),
            Some(&self.detail),
            self.request_id.as_deref(),
            digest.as_deref(),
        ] {
            match field {
                Some(value) => hasher.update(format!("{}:{value}", value.len())),
                None => hasher.update("-"),
            }
        }
        hasher.finalize().into()
    }

    /// Whether where it came from, as far as that is kept, is what its digest says.
    #[must_use]
    pub fn is_from_there(&self) -> bool {
        let Some((address, salt)) = &self.origin else {
            return true;
        };
        let mut hasher = Sha256::new();
        hasher.update(salt);
        hasher.update(address);
        self.origin_digest.as_deref() == Some(hasher.finalize().as_slice())
    }
}

/// Bytes as people write them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _never_fails = write!(text, "{byte:02x}");
            text
        })
}

/// A chain, walked entry by entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    merchant: Uuid,
    /// How many entries were walked.
    pub entries: i64,
    /// The hash of the last one.
    pub hash: Vec<u8>,
}

/// Where a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry is gone, or stands elsewhere.
    #[error("entry {expected} is missing: {found} follows the one before it")]
    Gap {
        /// The one that must follow.
        expected: i64,
        /// The one that does.
        found: i64,
    },
    /// What is before an entry is not what was there when it was written.
    #[error("entry {0} was written behind another one than that which is before it now")]
    Link(i64),
    /// What an entry says is not what was written.
    #[error("entry {0} was changed")]
    Entry(i64),
    /// Where an entry came from is not what was written.
    #[error("where entry {0} came from was changed")]
    Origin(i64),
    /// The last entries are gone.
    #[error("the chain ends with entry {entries}, and must with {expected}")]
    End {
        /// How many entries there are.
        entries: i64,
        /// How many there must be.
        expected: i64,
    },
    /// The last entry is another one.
    #[error("entry {0}, the last one, is not the one that the chain ended with")]
    Head(i64),
}

impl Chain {
    /// A merchant's, before its first entry.
    #[must_use]
    pub fn new(merchant: Uuid) -> Self {
        Self {
            merchant,
            entries: 0,
            hash: START.to_vec(),
        }
    }

    /// Goes on to the next entry.
    ///
    /// # Errors
    /// [`Broken`] where it does not follow.
    pub fn follow(&mut self, entry: &AuditEntry) -> Result<(), Broken> {
        let expected = self.entries + 1;
        if entry.sequence != expected {
            return Err(Broken::Gap {
                expected,
                found: entry.sequence,
            });
        }
        if entry.previous != self.hash {
            return Err(Broken::Link(entry.sequence));
        }
        if entry.hash != entry.expected_hash(self.merchant) {
            return Err(Broken::Entry(entry.sequence));
        }
        if !entry.is_from_there() {
            return Err(Broken::Origin(entry.sequence));
        }
        self.entries = entry.sequence;
        self.hash.clone_from(&entry.hash);
        Ok(())
    }

    /// Holds the end of the chain against what it must end with.
    ///
    /// # Errors
    /// [`Broken`] where it does not.
    pub fn end(&self, expected: i64, hash: &[u8]) -> Result<(), Broken> {
        if self.entries != expected {
            return Err(Broken::End {
                entries: self.entries,
                expected,
            });
        }
        if self.hash == hash {
            Ok(())
        } else {
            Err(Broken::Head(self.entries))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain(length: i64) -> Vec<AuditEntry> {
        let mut previous = START.to_vec();
        (1..=length)
            .map(|sequence| {
                let mut entry = AuditEntry {
                    sequence,
                    at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(sequence),
                    actor: format!("key_{}", sequence % 3),
                    action: Action::RefundCreate.word().to_owned(),
                    subject: format!("pay_{sequence}"),
                    detail: "{}".to_owned(),
                    request_id: (sequence % 2 == 0).then(|| "req".to_owned()),
                    origin_digest: None,
                    origin: None,
                    previous: previous.clone(),
                    hash: Vec::new(),
                };
                entry.hash = entry.expected_hash(Uuid::from_u128(7)).to_vec();
                previous.clone_from(&entry.hash);
                entry
            })
            .collect()
    }

    fn walk(entries: &[AuditEntry], length: i64, head: &[u8]) -> Result<(), Broken> {
        let mut chain = Chain::new(Uuid::from_u128(7));
        for entry in entries {
            chain.follow(entry)?;
        }
        chain.end(length, head)
    }

    proptest! {
        #[test]
        fn a_chain_as_it_was_written_holds_and_one_with_a_row_changed_removed_or_moved_does_not(
            length in 2_i64..12, at in 0_usize..12, other in 0_usize..12, what in 0..6
        ) {
            let entries = chain(length);
            let head = entries.last().map(|entry| entry.hash.clone()).unwrap_or_default();
            prop_assert_eq!(walk(&entries, length, &head), Ok(()));

            let mut changed = entries.clone();
            let (at, other) = (at % entries.len(), other % entries.len());
            match what {
                0 => changed[at].subject.push('1'),
                1 => changed[at].at += time::Duration::microseconds(1),
                2 => changed[at].request_id = Some("another".to_owned()),
                3 => { changed.remove(at); }
                4 if at != other => changed.swap(at, other),
                4 => changed[at].actor = "cli".to_owned(),
                // Made to look right by itself.
                _ => {
                    changed[at].detail = "{\"amount\": 1}".to_owned();
                    changed[at].hash = changed[at].expected_hash(Uuid::from_u128(7)).to_vec();
                }
            }
            prop_assert!(walk(&changed, length, &head).is_err());
        }
    }

    #[test]
    fn no_text_can_be_moved_from_one_field_to_the_next() {
        let mut entry = chain(1).remove(0);
        (entry.actor, entry.action) = ("ab".to_owned(), "c".to_owned());
        let one = entry.expected_hash(Uuid::nil());
        (entry.actor, entry.action) = ("a".to_owned(), "bc".to_owned());
        assert_ne!(one, entry.expected_hash(Uuid::nil()));
    }

    #[test]
    fn words_are_of_one_form_and_each_stands_for_one_action() {
        let mut words: Vec<&str> = Action::ALL.iter().map(|action| action.word()).collect();
        assert!(words.iter().all(|word| word.split('.').count() == 2));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Action::ALL.len());
    }
}
