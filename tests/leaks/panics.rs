//! A panic is logged by its place. Its message only where the code has it word for word.

use std::process::Command;

use quittance::telemetry::{self, LogFormat};

use super::canaries::{FREE_TEXT, STRIPE_KEY};

/// Not a test by itself: what the next one runs as a process of its own.
#[test]
#[ignore = "panics on purpose, in a process of its own"]
fn two_panics() {
    telemetry::init("trace", LogFormat::Text, None).unwrap();
    let told = std::thread::spawn(|| panic!("a message that the code has word for word")).join();
    let text = format!("{STRIPE_KEY} {FREE_TEXT}");
    let made = std::thread::spawn(move || panic!("{text}")).join();
    assert!(told.is_err() && made.is_err());
}

#[test]
fn a_panic_is_logged_by_its_place_and_not_by_what_it_holds() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leaks::panics::two_panics", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8(told).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("a panic").count(), 2, "{told}");
    assert_eq!(told.matches("panics.rs").count(), 2, "{told}");
    assert!(told.contains("word for word"), "{told}");
    for canary in [STRIPE_KEY, FREE_TEXT] {
        assert!(!told.contains(canary), "{told}");
    }
}
