//! What must not be seen, and where it may be all the same.

use std::collections::BTreeSet;
use std::fmt;

/// A kind of thing that must stay where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    StripeKey,
    WebhookSecret,
    ApiKey,
    SealingKey,
    OdooKey,
    SigningSecret,
    DatabasePassword,
    Signature,
    ClientSecret,
    IdempotencyKey,
    Email,
    Name,
    CardNumber,
    FreeText,
    /// What Stripe, or Odoo, or something in their place said.
    TheirWords,
}

use Kind::{
    ApiKey, CardNumber, ClientSecret, DatabasePassword, Email, FreeText, IdempotencyKey, Name, OdooKey,
    SealingKey, Signature, SigningSecret, StripeKey, TheirWords, WebhookSecret,
};

/// What no answer and no row holds as it is, whoever asks.
const SECRETS: [Kind; 8] = [
    StripeKey,
    WebhookSecret,
    ApiKey,
    SealingKey,
    OdooKey,
    SigningSecret,
    DatabasePassword,
    Signature,
];

pub(super) const STRIPE_KEY: &str = "rk_test_canaryStripeKey7Qx";
pub(super) const WEBHOOK_SECRET: &str = "whsec_canaryWebhookSecret9Zk";
/// `canary-sealing-key-of-32-bytes!!` in base64.
pub(super) const SEALING_KEY: &str = "Y2FuYXJ5LXNlYWxpbmcta2V5LW9mLTMyLWJ5dGVzISE=";
pub(super) const PASSWORD: &str = "canaryDatabasePassword5Vt";
pub(super) const SIGNATURE: &str = "ca4a47c0ffee00112233445566778899";
pub(super) const IDEMPOTENCY_KEY: &str = "canary-idempotency-key";
pub(super) const EMAIL: &str = "canary.quillfeather@example.com";
pub(super) const NAME: &str = "Canary Quillfeather";
pub(super) const CARD_NUMBER: &str = "4000056655665556";
pub(super) const FREE_TEXT: &str = "canary-free-text";
pub(super) const THEIR_WORDS: &str = "canary-their-words";

/// Which kinds an answer may hold, by what it is: the one list of all that may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// An answer to whoever the thing belongs to that is no problem: their own words, and what their customer's browser needs.
    Owners,
    /// A problem, or a complaint at the terminal, that tells the owner why a provider or Odoo refused: their words, without what has
    /// the form of a secret.
    Refusal,
    /// What a provider sent, byte for byte, to a key with the scope `events:payload`.
    Payload,
    /// What the command line prints once, to whoever made it: an API key or a signing secret.
    MadeSecret,
    /// A column that tells the owner what Odoo or a provider said, without what has the form of a secret.
    ToldColumn,
    /// Everything else: logs, problems, answers to others, what a command complains of.
    Nothing,
}

impl Seen {
    fn allows(self, kind: Kind) -> bool {
        let allowed: &[Kind] = match self {
            Self::Owners | Self::Payload => &[ClientSecret, Email, Name, CardNumber, FreeText, TheirWords],
            Self::Refusal | Self::ToldColumn => &[Name, TheirWords],
            Self::MadeSecret => &[ApiKey, SigningSecret],
            Self::Nothing => &[],
        };
        allowed.contains(&kind)
    }
}

/// All canaries, each in the forms in which it would be seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Canaries(Vec<(Kind, String)>);

impl Canaries {
    /// Those that are known before anything is made.
    pub(super) fn known() -> Self {
        let mut canaries = Self::default();
        for (kind, text) in [
            (StripeKey, STRIPE_KEY),
            (WebhookSecret, WEBHOOK_SECRET),
            (SealingKey, SEALING_KEY),
            (SealingKey, "canary-sealing-key"),
            (DatabasePassword, PASSWORD),
            (Signature, SIGNATURE),
            (IdempotencyKey, IDEMPOTENCY_KEY),
            (Email, EMAIL),
            (Email, "canary.quillfeather%40example.com"),
            (Name, NAME),
            (Name, "Canary%20Quillfeather"),
            (Name, "Canary+Quillfeather"),
            (CardNumber, CARD_NUMBER),
            (CardNumber, "4000 0566 5566 5556"),
            (CardNumber, "4000-0566-5566-5556"),
            (FreeText, FREE_TEXT),
            (TheirWords, THEIR_WORDS),
        ] {
            canaries.add(kind, text);
        }
        canaries
    }

    /// One more, which came about.
    pub(super) fn add(&mut self, kind: Kind, text: &str) {
        assert!(text.len() > 6, "{kind:?} is too short to be told from other text");
        self.0.push((kind, text.to_owned()));
    }

    /// What a text holds that it must not.
    pub(super) fn find(&self, at: &str, text: &str, seen: Seen) -> Vec<Leak> {
        let told = |kind: &Kind| !seen.allows(*kind);
        let held = self
            .0
            .iter()
            .filter(|(kind, needle)| told(kind) && text.contains(needle.as_str()));
        held.map(|(kind, needle)| Leak {
            kind: *kind,
            at: at.to_owned(),
            line: around(text, needle),
        })
        .collect()
    }

    /// What a row of the database holds as it is that must be sealed or hashed there.
    pub(super) fn find_secrets(&self, at: &str, text: &str) -> Vec<Leak> {
        let mut found = self.find(at, text, Seen::Nothing);
        found.retain(|leak| SECRETS.contains(&leak.kind) || leak.kind == ClientSecret);
        found
    }

    /// The kinds that there are canaries of.
    pub(super) fn kinds(&self) -> BTreeSet<Kind> {
        self.0.iter().map(|(kind, _)| *kind).collect()
    }
}

/// A canary where it must not be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leak {
    pub(super) kind: Kind,
    at: String,
    line: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}: {}", self.kind, self.at, self.line)
    }
}

/// Fails with all that was found, each place once.
pub(super) fn assert_none(found: Vec<Leak>) {
    let mut places = BTreeSet::new();
    let mut told = Vec::new();
    for leak in found {
        let line: String = leak
            .line
            .chars()
            .skip(28)
            .take(70)
            .filter(|letter| !letter.is_ascii_digit())
            .collect();
        if places.insert((leak.kind, leak.at.clone(), line)) {
            told.push(leak.to_string());
        }
    }
    let kinds: BTreeSet<Kind> = places.iter().map(|(kind, ..)| *kind).collect();
    let shown = told.len().min(60);
    assert!(
        told.is_empty(),
        "{} leaks, of {kinds:?}:\n{}",
        told.len(),
        told[..shown].join("\n")
    );
}

fn around(text: &str, needle: &str) -> String {
    let line = text.lines().find(|line| line.contains(needle)).unwrap_or(text);
    let at = line.find(needle).unwrap_or_default();
    let from = line.floor_char_boundary(at.saturating_sub(220));
    let to = line.ceil_char_boundary((at + 120).min(line.len()));
    line[from..to].to_owned()
}

#[test]
fn a_canary_of_each_kind_is_seen_where_it_is_not_allowed() {
    let mut canaries = Canaries::known();
    for kind in [ApiKey, OdooKey, SigningSecret, ClientSecret] {
        canaries.add(kind, &format!("canary of {kind:?}"));
    }
    assert_eq!(canaries.kinds().len(), 15);
    for (kind, needle) in &canaries.0 {
        let line = format!("a line\nanother with {needle} in it\n");
        let found = canaries.find("a log", &line, Seen::Nothing);
        assert!(found.iter().any(|leak| leak.kind == *kind), "{kind:?}");
        let secret = SECRETS.contains(kind);
        for seen in [Seen::Owners, Seen::Payload, Seen::Refusal, Seen::ToldColumn] {
            assert!(!secret || !seen.allows(*kind), "{kind:?} is for nobody");
        }
    }
    assert_eq!(canaries.find("a log", "a line\n", Seen::Nothing), []);
}
