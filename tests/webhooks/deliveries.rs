//! Which deliveries are taken, and which are refused as what.

use proptest::prelude::*;
use quittance::provider::VerifyError::{self, Malformed, Mismatch, NoSecret, NotAnEvent, Untimely};

use super::{BODY, NOW, SECRET, digits, header, verify};

const OTHER: &str = "whsec_another";

/// What our verifier says of a delivery with one secret.
fn judged(signature: &str, body: &[u8]) -> Result<(), VerifyError> {
    verify(Some(signature), body, &[SECRET]).map(drop)
}

#[test]
fn a_delivery_that_was_just_signed_with_our_secret_is_taken() {
    assert_eq!(judged(&header(SECRET, NOW, BODY), BODY), Ok(()));
}

#[test]
fn a_changed_body_is_refused_whichever_byte_was_changed() {
    let signature = header(SECRET, NOW, BODY);
    for place in [0, BODY.len() / 2, BODY.len() - 1] {
        let mut changed = BODY.to_vec();
        changed[place] ^= 1;
        assert_eq!(judged(&signature, &changed), Err(Mismatch), "byte {place}");
    }
    assert_eq!(judged(&signature, &BODY[..BODY.len() - 1]), Err(Mismatch), "cut");
    assert_eq!(
        judged(&signature, &[BODY, b" "].concat()),
        Err(Mismatch),
        "longer"
    );
    assert_eq!(judged(&signature, b""), Err(Mismatch), "nothing");
}

#[test]
fn a_changed_time_is_refused_even_where_it_is_the_same_number() {
    let digits = digits(SECRET, NOW, BODY);
    assert_eq!(judged(&format!("t={},v1={digits}", NOW + 1), BODY), Err(Mismatch));
    assert_eq!(judged(&format!("t=0{NOW},v1={digits}"), BODY), Err(Mismatch));
}

#[test]
fn a_signature_is_good_for_five_minutes_either_way_and_not_a_second_longer() {
    for (time, verdict) in [
        (NOW - 300, Ok(())),
        (NOW + 300, Ok(())),
        (NOW - 301, Err(Untimely)),
        (NOW + 301, Err(Untimely)),
        (0, Err(Untimely)),
        (i64::MIN, Err(Untimely)),
        (i64::MAX, Err(Untimely)),
    ] {
        assert_eq!(judged(&header(SECRET, time, BODY), BODY), verdict, "{time}");
    }
}

#[test]
fn while_a_secret_is_rolled_either_signature_is_enough_in_either_order() {
    let (ours, theirs) = (digits(SECRET, NOW, BODY), digits(OTHER, NOW, BODY));
    for header in [
        format!("t={NOW},v1={theirs},v1={ours}"),
        format!("t={NOW},v1={ours},v1={theirs}"),
        format!("v1={ours},v1={theirs},t={NOW}"),
        format!("v0=old,v1={theirs},t={NOW},v1={ours},v2={theirs}"),
    ] {
        assert_eq!(judged(&header, BODY), Ok(()), "{header}");
    }
}

#[test]
fn any_live_secret_of_the_account_proves_a_delivery() {
    let signature = header(SECRET, NOW, BODY);
    for (secrets, verdict) in [
        (&[SECRET, OTHER][..], Ok(())),
        (&[OTHER, SECRET], Ok(())),
        (&[OTHER], Err(Mismatch)),
        (&[OTHER, "", "x"], Err(Mismatch)),
        (&[], Err(NoSecret)),
    ] {
        assert_eq!(
            verify(Some(&signature), BODY, secrets).map(drop),
            verdict,
            "{secrets:?}"
        );
    }
}

#[test]
fn no_secret_takes_nothing_however_it_is_signed() {
    assert_eq!(
        verify(Some(&header("", NOW, BODY)), BODY, &[]).map(drop),
        Err(NoSecret)
    );
    assert_eq!(verify(None, BODY, &[]).map(drop), Err(NoSecret));
    for blank in ["", " ", "\n"] {
        assert_eq!(
            verify(Some(&header(blank, NOW, BODY)), BODY, &[SECRET, blank]).map(drop),
            Err(Mismatch)
        );
    }
}

#[test]
fn a_header_that_is_missing_or_of_another_form_is_malformed() {
    assert_eq!(verify(None, BODY, &[SECRET]).map(drop), Err(Malformed));
    let digits = digits(SECRET, NOW, BODY);
    for header in [
        String::new(),
        "x".to_owned(),
        format!("t={NOW}"),
        format!("v1={digits}"),
        format!("t={NOW},v0={digits}"),
        format!("t={NOW},V1={digits}"),
        format!("t=,v1={digits}"),
        format!("t={NOW}.5,v1={digits}"),
        format!("t={NOW},t={NOW},v1={digits}"),
        format!("t={NOW},v1={digits},"),
        format!("t={NOW} v1={digits}"),
        format!("t={NOW},v1={}", &digits[1..]),
        format!("t={NOW},v1={digits}0"),
        format!("t={NOW},v1="),
        format!("t={NOW},v1={digits}").repeat(1_000),
        "t=1,".repeat(100_000),
        format!("t={NOW}{}", ",v1=00".repeat(100_000)),
    ] {
        assert_eq!(
            judged(&header, BODY),
            Err(Malformed),
            "{}",
            header.chars().take(120).collect::<String>()
        );
    }
}

#[test]
fn a_signature_may_be_written_in_capitals() {
    let digits = digits(SECRET, NOW, BODY).to_uppercase();
    assert_eq!(judged(&format!("t={NOW},v1={digits}"), BODY), Ok(()));
}

#[test]
fn what_holds_but_is_no_event_is_told_apart() {
    for body in [
        &b""[..],
        b"x",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"{}",
        br#"{"id":"evt_1","type":"x"}"#,
        br#"{"id":"","type":"x","created":1}"#,
        br#"{"id":"evt_1","type":"x","created":"yesterday"}"#,
        br#"{"id":"evt_1","type":"x","created":99999999999999}"#,
        br#"{"id":"evt_1","type":"x","created":-1}"#,
        br#"{"id":7,"type":"x","created":1}"#,
    ] {
        let verdict = judged(&header(SECRET, NOW, body), body);
        assert_eq!(verdict, Err(NotAnEvent), "{}", String::from_utf8_lossy(body));
    }
}

proptest! {
    #[test]
    fn no_header_and_no_body_bring_it_down(header in "\\PC{0,200}", body: Vec<u8>) {
        prop_assert!(judged(&header, &body).is_err());
    }

    #[test]
    fn nothing_like_a_header_is_taken(parts in prop::collection::vec("(t|v0|v1|) ?=(17900000[0-9]{2}|[0-9a-fA-F]{64}|.?)", 0..8)) {
        prop_assert!(judged(&parts.join(","), BODY).is_err());
    }

    #[test]
    fn no_signed_bytes_bring_it_down(body: Vec<u8>) {
        prop_assert_eq!(judged(&header(SECRET, NOW, &body), &body), Err(NotAnEvent));
    }

    #[test]
    fn no_signed_shape_brings_it_down(
        id in "\\PC{1,20}", kind in "\\PC{1,20}", created in -400_000_000_000..400_000_000_000_i64, rest in "(null|true|7|\"\"|\\[\\]|\\{\\}|\\{\"object\":7\\})",
    ) {
        let (id, kind) = (serde_json::to_string(&id).unwrap(), serde_json::to_string(&kind).unwrap());
        let body = format!(
            r#"{{"id":{id},"type":{kind},"created":{created},"data":{rest},"account":{rest},"livemode":{rest}}}"#
        );
        let verdict = judged(&header(SECRET, NOW, body.as_bytes()), body.as_bytes());
        let in_range = created >= 0 && time::OffsetDateTime::from_unix_timestamp(created).is_ok();
        prop_assert_eq!(verdict, if in_range { Ok(()) } else { Err(NotAnEvent) });
    }
}
