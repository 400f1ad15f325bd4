//! How often an address failed to prove itself lately, in bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many failures an address has at once before it is told to wait.
const BURST: u32 = 20;

/// After how long one of them is forgotten.
const EACH: Duration = Duration::from_secs(3);

/// How many addresses are remembered.
const MOST: usize = 10_000;

/// How many bits of an IPv6 address stand for one subscriber: they get a /64 or more.
const SUBSCRIBER_BITS: u32 = 64;

/// When each address will have no failure left (a leaky bucket, kept as one moment).
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, Instant>>);

impl Failures {
    /// Notes a failure; how long to wait where the address had too many.
    pub(super) fn note(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let subscriber = subscriber(address);
        if until.len() >= MOST && !until.contains_key(&subscriber) {
            make_room(&mut until, now);
        }
        let empty_at = until.entry(subscriber).or_insert(now);
        // A failure too many does not prolong the wait: whoever stops is served again soon.
        if let Some(wait) = over(*empty_at, now) {
            return Some(wait);
        }
        *empty_at = (*empty_at).max(now) + EACH;
        None
    }

    /// How long the address has to wait until one more failure is taken as a mistake; none where it need not.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        over(*until.get(&subscriber(address))?, now)
    }
}

fn over(empty_at: Instant, now: Instant) -> Option<Duration> {
    let level = empty_at.saturating_duration_since(now);
    let most = EACH * (BURST - 1);
    (level > most).then(|| level.saturating_sub(most))
}

fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - SUBSCRIBER_BITS);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

/// Forgets who has no failures left and, where that is nobody, the better half.
fn make_room(until: &mut HashMap<IpAddr, Instant>, now: Instant) {
    until.retain(|_, empty_at| *empty_at > now);
    if until.len() < MOST {
        return;
    }
    let mut moments: Vec<Instant> = until.values().copied().collect();
    let middle = moments.len() / 2;
    let (_, median, _) = moments.select_nth_unstable(middle);
    let median = *median;
    let mut surplus = middle;
    until.retain(|_, empty_at| {
        let goes = *empty_at <= median && surplus > 0;
        surplus -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_failed_too_often_waits_and_another_does_not() {
        let (failures, now) = (Failures::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(failures.note(address("192.0.2.1"), now), None);
        }
        assert_eq!(failures.note(address("::ffff:192.0.2.1"), now), Some(EACH));
        assert_eq!(failures.wait(address("192.0.2.1"), now), Some(EACH));
        assert_eq!(failures.wait(address("192.0.2.2"), now), None);
        assert_eq!(failures.note(address("192.0.2.1"), now + EACH), None);
        assert!(failures.note(address("192.0.2.1"), now + EACH).is_some());
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_however_many_addresses_it_has() {
        let (failures, now) = (Failures::default(), Instant::now());
        for number in 0..BURST {
            failures.note(address(&format!("2001:db8:1:2::{number:x}")), now);
        }
        assert!(failures.wait(address("2001:db8:1:2:ffff::"), now).is_some());
        assert_eq!(failures.wait(address("2001:db8:1:3::"), now), None);
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_remembered() {
        let (failures, now) = (Failures::default(), Instant::now());
        for _ in 0..BURST {
            failures.note(address("192.0.2.1"), now);
        }
        for number in 0..3 * u32::try_from(MOST).unwrap() {
            failures.note(Ipv4Addr::from(0x0a00_0000 + number).into(), now);
        }
        assert!(failures.0.lock().unwrap().len() <= MOST);
        assert!(failures.wait(address("192.0.2.1"), now).is_some());
    }

    proptest! {
        #[test]
        fn no_more_failures_are_taken_as_mistakes_than_the_burst_and_one_for_each_pause(
            pauses_ms in prop::collection::vec(0_u64..5_000, 1..200)
        ) {
            let (failures, start) = (Failures::default(), Instant::now());
            let (mut now, mut taken) = (start, 0_u64);
            for pause_ms in pauses_ms {
                now += Duration::from_millis(pause_ms);
                taken += u64::from(failures.note(address("192.0.2.1"), now).is_none());
                let passed = u64::try_from((now - start).as_millis() / EACH.as_millis()).unwrap();
                prop_assert!(taken <= u64::from(BURST) + passed);
            }
        }
    }
}
