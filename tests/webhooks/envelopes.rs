//! What is read of an event once it is proven.

use quittance::provider::Envelope;
use time::macros::datetime;

use super::{BODY, NOW, SECRET, header, verify};

fn envelope(body: &[u8]) -> Envelope {
    verify(Some(&header(SECRET, NOW, body)), body, &[SECRET]).unwrap()
}

#[test]
fn an_event_says_what_happened_to_what_when_and_where() {
    let expected = Envelope {
        event_id: "evt_1".to_owned(),
        kind: "charge.updated".to_owned(),
        object_id: Some("ch_1".to_owned()),
        created: datetime!(2026-09-21 14:13:19 UTC),
        api_version: Some("2026-09-30.endive".to_owned()),
        live: true,
        external_account: Some("acct_1".to_owned()),
    };
    assert_eq!(envelope(BODY), expected);
}

#[test]
fn a_thin_event_says_the_same_in_its_own_way() {
    let thin =
        br#"{"id":"evt_test_65","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered",
        "livemode":false,"created":"2026-09-21T14:13:19.513Z","context":"acct_2",
        "related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1/billing/meters/mtr_1"}}"#;
    let expected = Envelope {
        event_id: "evt_test_65".to_owned(),
        kind: "v1.billing.meter.error_report_triggered".to_owned(),
        object_id: Some("mtr_1".to_owned()),
        created: datetime!(2026-09-21 14:13:19 UTC),
        api_version: None,
        live: false,
        external_account: Some("acct_2".to_owned()),
    };
    assert_eq!(envelope(thin), expected);
}

#[test]
fn a_path_of_accounts_leads_to_the_last() {
    let event = |path: &str| {
        let event = format!(r#"{{"id":"evt_1","type":"v1.x.y","created":1,"context":{path}}}"#);
        envelope(event.as_bytes()).external_account
    };
    assert_eq!(event(r#""acct_1/acct_2""#).as_deref(), Some("acct_2"));
    assert_eq!(event(r#""acct_2""#).as_deref(), Some("acct_2"));
    assert_eq!(event("null"), None);
}

#[test]
fn only_the_id_the_type_and_the_time_must_be_there() {
    let least = br#"{"type":"x.y","created":0,"id":"evt_1"}"#;
    let read = envelope(least);
    assert_eq!(
        (read.object_id, read.api_version, read.live, read.external_account),
        (None, None, false, None)
    );
}

#[test]
fn a_field_of_another_shape_is_as_one_that_is_missing() {
    let odd = br#"{"id":"evt_1","type":"x.y","created":1,"livemode":"yes","account":{"id":"acct_1"},"api_version":7,
        "data":{"object":[{"id":"ch_1"}]},"tomorrow":{"a":[1,2,3]}}"#;
    let read = envelope(odd);
    assert_eq!(
        (read.object_id, read.api_version, read.live, read.external_account),
        (None, None, false, None)
    );
}

#[test]
fn escapes_in_the_names_are_read() {
    let escaped = br#"{"id":"evt\u005f1","type":"charge\u002eupdated","created":1}"#;
    let read = envelope(escaped);
    assert_eq!(
        (read.event_id.as_str(), read.kind.as_str()),
        ("evt_1", "charge.updated")
    );
}
