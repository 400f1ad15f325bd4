//! What opens, and all that does not.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::data_key::{Cipher, seal_single};
use super::*;

fn kek(byte: u8) -> LocalKek {
    LocalKek::parse(&BASE64_STANDARD.encode([byte; 32]).into()).unwrap()
}

fn key(version: u32, byte: u8) -> DataKey {
    DataKey::new(version, &Zeroizing::new([byte; 32]))
}

fn open(key: &DataKey, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    key.open(place, Sealed::parse(sealed)?)
}

const PLACE: Place = Place {
    merchant: Uuid::from_u128(1),
    table: "provider_account",
    column: "secret_key_sealed",
    row: Uuid::from_u128(2),
};

/// Each another place in one way.
fn elsewhere() -> [Place; 5] {
    [
        Place {
            row: Uuid::from_u128(3),
            ..PLACE
        },
        Place {
            column: "publishable_key",
            ..PLACE
        },
        Place {
            table: "odoo_instance",
            ..PLACE
        },
        Place {
            merchant: Uuid::from_u128(9),
            ..PLACE
        },
        Place {
            merchant: PLACE.row,
            row: PLACE.merchant,
            ..PLACE
        },
    ]
}

const KEY_PLACE: KeyPlace = KeyPlace {
    merchant: Uuid::from_u128(1),
    version: 7,
};

#[test]
fn what_was_sealed_opens_in_its_place_and_names_its_version() {
    let sealed = key(3, 1).seal(PLACE, b"sk_test_1").unwrap();
    assert_eq!(open(&key(3, 1), PLACE, &sealed).unwrap().as_slice(), b"sk_test_1");
    assert_eq!(Sealed::parse(&sealed).unwrap().version, Some(3));
    assert_eq!(sealed[..5], key(3, 1).header());
    let again = key(3, 1).seal(PLACE, b"sk_test_1").unwrap();
    assert_ne!(again, sealed, "the nonce is new each time");
}

#[test]
fn it_opens_in_no_other_row_column_table_or_merchant_and_with_no_other_key_or_version() {
    let sealed = key(3, 1).seal(PLACE, b"sk_test_1").unwrap();
    for place in elsewhere() {
        assert!(open(&key(3, 1), place, &sealed).is_err(), "{place:?}");
    }
    assert!(open(&key(3, 2), PLACE, &sealed).is_err());
    // The same key bytes under another version, and a header that says another version.
    let mut moved = sealed.clone();
    moved[4] = 4;
    assert!(open(&key(4, 1), PLACE, &moved).is_err());
    assert!(open(&key(3, 1), PLACE, &moved).is_err());
}

#[test]
fn a_changed_or_cut_ciphertext_does_not_open() {
    let sealed = key(3, 1).seal(PLACE, b"sk_test_1").unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(open(&key(3, 1), PLACE, &changed).is_err(), "byte {at}");
        assert!(open(&key(3, 1), PLACE, &sealed[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn what_the_single_key_sealed_opens_with_it_also_when_it_is_a_previous_one() {
    let sealed = seal_single(&Cipher::new(&Zeroizing::new([1; 32])), &PLACE, b"sk_test_1");
    assert_eq!(Sealed::parse(&sealed).unwrap().version, None);
    let opens = |current, previous: Vec<Arc<dyn Kek>>| {
        let opener = Sealer::new(KeyRing::new(Arc::new(kek(current)), previous));
        opener
            .open_known(PLACE, &sealed)
            .unwrap()
            .map(|opened| opened.to_vec())
    };
    assert_eq!(opens(1, vec![]).unwrap(), b"sk_test_1");
    assert_eq!(opens(2, vec![Arc::new(kek(1))]).unwrap(), b"sk_test_1");
    assert!(opens(2, vec![]).is_err());
    let opener = Sealer::new(KeyRing::new(Arc::new(kek(1)), vec![]));
    for place in elsewhere() {
        assert!(opener.open_known(place, &sealed).unwrap().is_err(), "{place:?}");
    }
}

#[tokio::test]
async fn a_wrapped_data_key_unwraps_for_its_merchant_and_version_only() {
    let ring = KeyRing::new(Arc::new(kek(1)), vec![]);
    let (made, wrapped) = ring.generate(KEY_PLACE).await.unwrap();
    let sealed = made.seal(PLACE, b"x").unwrap();
    let again = ring.unwrap(KEY_PLACE, &wrapped).await.unwrap();
    assert_eq!(open(&again, PLACE, &sealed).unwrap().as_slice(), b"x");
    let elsewhere = [
        KeyPlace {
            merchant: Uuid::from_u128(2),
            ..KEY_PLACE
        },
        KeyPlace {
            version: 8,
            ..KEY_PLACE
        },
    ];
    for place in elsewhere {
        let refused = ring.unwrap(place, &wrapped).await.unwrap_err();
        let kek = kek(1).id();
        assert_eq!(refused, KekError::Refused { kek }.into(), "{place:?}");
    }
    for at in 0..wrapped.bytes.len() {
        let mut changed = wrapped.clone();
        changed.bytes[at] ^= 1;
        assert!(ring.unwrap(KEY_PLACE, &changed).await.is_err(), "byte {at}");
    }
}

#[tokio::test]
async fn a_data_key_wrapped_anew_is_the_same_and_needs_the_old_key_no_more() {
    let old = KeyRing::new(Arc::new(kek(1)), vec![]);
    let (made, wrapped) = old.generate(KEY_PLACE).await.unwrap();
    let sealed = made.seal(PLACE, b"x").unwrap();
    let both = KeyRing::new(Arc::new(kek(2)), vec![Arc::new(kek(1))]);
    let anew = both.rewrap(KEY_PLACE, &wrapped).await.unwrap();
    assert_eq!(anew.kek, kek(2).id());
    let new = KeyRing::new(Arc::new(kek(2)), vec![]);
    let key = new.unwrap(KEY_PLACE, &anew).await.unwrap();
    assert_eq!(open(&key, PLACE, &sealed).unwrap().as_slice(), b"x");
    let unknown = KekError::Unknown { kek: kek(1).id() };
    assert_eq!(new.unwrap(KEY_PLACE, &wrapped).await.unwrap_err(), unknown.into());
    // Another key under the same name does not do either.
    let misnamed = Wrapped {
        kek: kek(2).id(),
        ..wrapped
    };
    assert!(new.unwrap(KEY_PLACE, &misnamed).await.is_err());
}

#[test]
fn a_key_of_another_length_is_refused() {
    for text in [
        "",
        "c2hvcnQ=",
        "not base64 at all!",
        &BASE64_STANDARD.encode([1; 33]),
    ] {
        assert_eq!(
            LocalKek::parse(&text.to_owned().into()).unwrap_err(),
            CryptoError::Key,
            "{text}"
        );
    }
}

#[test]
fn keys_in_hand_are_found_bounded_and_the_ones_in_use_stay() {
    let sealer = Sealer::new(KeyRing::new(Arc::new(kek(1)), vec![])).with_room_for(64);
    let often = Uuid::from_u128(1);
    sealer.learn(often, &Arc::new(key(1, 1)));
    for merchant in 2..1_000 {
        let merchant = Uuid::from_u128(merchant);
        sealer.learn(merchant, &Arc::new(key(1, 1)));
        sealer.learn_current(merchant, 1);
        assert!(sealer.recall(merchant, 1).is_some());
        assert!(sealer.recall(often, 1).is_some());
        assert!(sealer.in_hand() <= 64);
    }
    assert!(sealer.recall(often, 2).is_none(), "no other version");
}

#[test]
fn keys_say_nothing_of_themselves_and_are_wiped_when_dropped() {
    fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
    is_wiped::<aes_gcm::Aes256Gcm>();
    is_wiped::<KeyMaterial>();
    let sealer = Sealer::new(KeyRing::new(Arc::new(kek(1)), vec![]));
    assert_eq!(format!("{sealer:?}"), "Sealer");
    assert_eq!(format!("{:?}", key(3, 1)), "DataKey 3");
    assert_eq!(format!("{:?}", kek(1)), kek(1).id());
    assert_ne!(kek(1).id(), kek(2).id());
}

fn any_place() -> impl Strategy<Value = Place> {
    let names = prop::sample::select(vec!["a", "b", "a_b", "payment", "webhook_event"]);
    (any::<u128>(), any::<u128>(), names.clone(), names).prop_map(|(merchant, row, table, column)| Place {
        merchant: Uuid::from_u128(merchant),
        row: Uuid::from_u128(row),
        table,
        column,
    })
}

proptest! {
    #[test]
    fn anything_opens_where_it_was_sealed_and_nowhere_else(
        place in any_place(), other in any_place(), version in 1_u32.., plain in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let sealed = key(version, 1).seal(place, &plain).unwrap();
        prop_assert_eq!(&*open(&key(version, 1), place, &sealed).unwrap(), &plain);
        let same = place.aad(&[]) == other.aad(&[]);
        prop_assert_eq!(open(&key(version, 1), other, &sealed).is_ok(), same);
    }

    #[test]
    fn nothing_that_comes_from_elsewhere_opens_or_breaks_anything(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(sealed) = Sealed::parse(&bytes) {
            prop_assert!(key(1, 1).open(PLACE, sealed).is_err());
        }
    }
}
