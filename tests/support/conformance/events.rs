//! Events: proven, and read.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quittance::domain::payment::{CaptureMethod, Payment};
use quittance::domain::snapshot::{Said, Snapshot};
use quittance::provider::VerifyError::{self, Malformed, Mismatch, NoSecret, NotAnEvent, Untimely};
use quittance::provider::{Delivery, Envelope, Interpretation, Provider};
use secrecy::SecretString;
use time::OffsetDateTime;

use super::{Port, Subject};

/// A moment to be in.
const NOW: i64 = 1_790_000_000;
const SECRET: &str = "secret_of_the_account";
const OTHER: &str = "secret_of_someone_else";

/// A company that told of a payment.
struct Told<S> {
    subject: S,
    payment: Payment,
}

impl<S: Subject> Told<S> {
    async fn start() -> Self {
        let subject = S::start().await;
        let payment = Port::of(&subject).paid(CaptureMethod::Automatic).await;
        Self { subject, payment }
    }

    fn reference(&self) -> &str {
        self.payment.provider_reference.as_deref().unwrap()
    }

    fn events(&self) -> Vec<Vec<u8>> {
        self.subject.events_about(self.reference())
    }

    fn event(&self) -> Vec<u8> {
        self.events().pop().unwrap()
    }

    /// What the provider says of a delivery at [`NOW`].
    fn judged(
        &self,
        signature: Option<&str>,
        body: &[u8],
        secrets: &[&str],
    ) -> Result<Envelope, VerifyError> {
        judged(&*self.subject.provider(), signature, body, secrets)
    }

    fn sign(&self, at: i64, body: &[u8]) -> String {
        self.subject.sign(SECRET, at, body)
    }
}

fn judged(
    provider: &dyn Provider,
    signature: Option<&str>,
    body: &[u8],
    secrets: &[&str],
) -> Result<Envelope, VerifyError> {
    let secrets: Vec<SecretString> = secrets.iter().map(|&secret| secret.into()).collect();
    let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
    let verified = provider.verify(&Delivery { signature, body }, &secrets, now)?;
    assert_eq!(verified.body(), body, "what is kept is what was signed");
    Ok(verified.envelope().clone())
}

pub(crate) async fn an_event_that_was_just_signed_says_what_it_is<S: Subject>() {
    let told = Told::<S>::start().await;
    let mut ids = Vec::new();
    for event in told.events() {
        let envelope = told
            .judged(Some(&told.sign(NOW, &event)), &event, &[SECRET])
            .unwrap();
        assert!(!envelope.live, "no real money");
        assert!(!envelope.kind.is_empty() && envelope.object_id.is_some());
        assert_eq!(envelope.external_account, told.subject.account().external_account);
        assert_eq!(envelope.created.nanosecond(), 0);
        ids.push(envelope.event_id);
    }
    let told_apart = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), told_apart, "each has an id of its own");
}

pub(crate) async fn any_of_several_secrets_proves_an_event<S: Subject>() {
    let told = Told::<S>::start().await;
    let event = told.event();
    let signature = told.sign(NOW, &event);
    for (secrets, verdict) in [
        (&[SECRET, OTHER][..], Ok(())),
        (&[OTHER, SECRET], Ok(())),
        (&[OTHER], Err(Mismatch)),
        (&[OTHER, "x", ""], Err(Mismatch)),
    ] {
        let said = told.judged(Some(&signature), &event, secrets).map(drop);
        assert_eq!(said, verdict, "{secrets:?}");
    }
}

pub(crate) async fn a_signature_is_good_for_five_minutes_either_way<S: Subject>() {
    let told = Told::<S>::start().await;
    let event = told.event();
    for (at, verdict) in [
        (NOW - 300, Ok(())),
        (NOW + 300, Ok(())),
        (NOW - 301, Err(Untimely)),
        (NOW + 301, Err(Untimely)),
        (i64::MIN, Err(Untimely)),
        (i64::MAX, Err(Untimely)),
    ] {
        let said = told.judged(Some(&told.sign(at, &event)), &event, &[SECRET]);
        assert_eq!(said.map(drop), verdict, "{at}");
    }
}

pub(crate) async fn a_changed_event_is_refused_whichever_byte_was_changed<S: Subject>() {
    let told = Told::<S>::start().await;
    let event = told.event();
    let signature = told.sign(NOW, &event);
    for place in 0..event.len() {
        let mut changed = event.clone();
        changed[place] ^= 1;
        let said = told.judged(Some(&signature), &changed, &[SECRET]);
        assert_eq!(said.map(drop), Err(Mismatch), "byte {place}");
    }
    for changed in [&event[1..], &event[..event.len() - 1], b""] {
        let said = told.judged(Some(&signature), changed, &[SECRET]);
        assert_eq!(said.map(drop), Err(Mismatch));
    }
    // The time is signed as well: an old signature cannot be made young.
    let digits = NOW.to_string();
    let younger = signature.replace(&digits, &(NOW + 1).to_string());
    assert_ne!(younger, signature);
    let said = told.judged(Some(&younger), &event, &[SECRET]);
    assert_eq!(said.map(drop), Err(Mismatch));
}

pub(crate) async fn without_a_signature_or_a_secret_nothing_is_taken<S: Subject>() {
    let told = Told::<S>::start().await;
    let event = told.event();
    let signature = told.sign(NOW, &event);
    assert_eq!(
        told.judged(None, &event, &[SECRET]).map(drop),
        Err(Malformed),
        "no header"
    );
    assert_eq!(
        told.judged(Some(&signature), &event, &[]).map(drop),
        Err(NoSecret)
    );
    let header = told.subject.provider().signature_header();
    assert_eq!(header, header.to_ascii_lowercase());
}

pub(crate) async fn a_blank_secret_is_none<S: Subject>() {
    let told = Told::<S>::start().await;
    let event = told.event();
    for blank in ["", " ", "\n"] {
        let signature = told.subject.sign(blank, NOW, &event);
        for secrets in [&[blank][..], &[SECRET, blank]] {
            let said = told.judged(Some(&signature), &event, secrets);
            assert_eq!(said.map(drop), Err(Mismatch), "anybody could sign with {blank:?}");
        }
    }
}

pub(crate) async fn nothing_is_read_before_its_signature_holds<S: Subject>() {
    let told = Told::<S>::start().await;
    for body in [&b""[..], b"{", b"[]", b"\xff\xfe", br#"{"id":7}"#] {
        let theirs = told.subject.sign(OTHER, NOW, body);
        let said = told.judged(Some(&theirs), body, &[SECRET]);
        assert_eq!(said.map(drop), Err(Mismatch), "not a word of the body");
        let ours = told.sign(NOW, body);
        let said = told.judged(Some(&ours), body, &[SECRET]);
        assert_eq!(said.map(drop), Err(NotAnEvent));
    }
}

pub(crate) async fn no_header_is_too_odd_to_be_refused<S: Subject>() {
    let told = Told::<S>::start().await;
    let (event, provider) = (told.event(), told.subject.provider());
    let signature = told.sign(NOW, &event);
    let length = signature.len();
    let mut runner = TestRunner::new(Config::with_cases(512));
    let headers = prop_oneof![
        ".*",
        (0..length, "[ -~]").prop_map(move |(place, letter)| {
            let mut changed = signature.clone();
            changed.replace_range(place..=place, &letter);
            changed
        }),
    ];
    let honest = told.sign(NOW, &event);
    runner
        .run(&headers, |header| {
            // Hexadecimal digits and names may be written in either case.
            prop_assume!(!header.eq_ignore_ascii_case(&honest));
            let said = judged(&*provider, Some(&header), &event, &[SECRET]);
            prop_assert!(said.is_err(), "{}", header);
            Ok(())
        })
        .unwrap();
}

pub(crate) async fn events_lead_to_their_payment<S: Subject>() {
    let told = Told::<S>::start().await;
    let provider = told.subject.provider();
    let mut is_named = false;
    for event in told.events() {
        let read = provider.interpret(&event);
        let Interpretation::Payment {
            reference, payment, ..
        } = read
        else {
            panic!("{read:?}: {}", String::from_utf8_lossy(&event))
        };
        assert_eq!(reference, told.reference());
        let is_ours = payment.is_none_or(|id| id == told.payment.id);
        assert!(is_ours, "ours or nobody's: {payment:?}");
        is_named |= payment.is_some();
    }
    assert!(
        is_named,
        "one that comes before the answer to our call must lead to the payment all the same"
    );
}

pub(crate) async fn an_event_tells_what_a_read_tells<S: Subject>() {
    let told = Told::<S>::start().await;
    let read = Port::of(&told.subject).fetch(&told.payment).await;
    let provider = told.subject.provider();
    let last = told
        .events()
        .iter()
        .rev()
        .find_map(|event| snapshot_in(&*provider, event));
    let Some(Snapshot::Payment(said)) = last else {
        return;
    };
    assert_eq!(said.state, read.state);
    assert_eq!(
        (said.amount, said.captured_minor, said.capturable_minor),
        (read.amount, read.captured_minor, read.capturable_minor)
    );
}

fn snapshot_in(provider: &dyn Provider, event: &[u8]) -> Option<Snapshot> {
    let Interpretation::Payment { snapshot, .. } = provider.interpret(event) else {
        return None;
    };
    snapshot.map(|snapshot| *snapshot)
}

pub(crate) async fn a_word_of_tomorrow_is_kept<S: Subject>() {
    let told = Told::<S>::start().await;
    let provider = told.subject.provider();
    let event = told.subject.event_in_word(told.reference(), "pending_on_mars");
    let Some(Snapshot::Payment(said)) = snapshot_in(&*provider, &event) else {
        panic!("a state that is not known is no reason to drop the rest")
    };
    assert_eq!(said.state, Said::Unrecognized("pending_on_mars".to_owned()));

    let event = told.subject.event_of_tomorrow();
    let signature = told.sign(NOW, &event);
    told.judged(Some(&signature), &event, &[SECRET]).unwrap();
    let interpretation = provider.interpret(&event);
    assert!(
        matches!(interpretation, Interpretation::NotFollowed),
        "kept, and not taken for anything else: {interpretation:?}"
    );
}

pub(crate) async fn no_body_is_too_odd_to_be_read<S: Subject>() {
    let told = Told::<S>::start().await;
    let (event, provider) = (told.event(), told.subject.provider());
    let mut runner = TestRunner::new(Config::with_cases(512));
    runner
        .run(&proptest::collection::vec(any::<u8>(), 0..200), |body| {
            let read = provider.interpret(&body);
            prop_assert!(matches!(read, Interpretation::NotFollowed), "{:?}", read);
            Ok(())
        })
        .unwrap();
    let changes = proptest::collection::vec((0..event.len(), any::<u8>()), 1..4);
    runner
        .run(&(changes, 0..event.len()), |(changes, end)| {
            let mut body = event.clone();
            for (place, byte) in changes {
                body[place] = byte;
            }
            // Whatever it is taken for, it is taken for something.
            provider.interpret(&body);
            provider.interpret(&body[..end]);
            Ok(())
        })
        .unwrap();
}
