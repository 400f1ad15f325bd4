//! Whatever comes in whatever order, the payment that we hold ends as the provider's own does.
//!
//! A provider's payment walks at random. Its events come late, twice, in any order or only when the list of events is polled;
//! our calls are answered late, again or not at first; reads begin, fetch and end at any moment. What counts as what is decided
//! by the very functions that the service decides with.

use std::collections::BTreeSet;

use proptest::prelude::*;
use time::OffsetDateTime;

use super::tests::{OWED, payment};
use super::*;
use crate::domain::snapshot::{ChargeSnapshot, PaymentSnapshot, Said};

/// One thing that happens. A number picks among what is there.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The customer, a bank or somebody in the provider's dashboard moves the payment on.
    Happens(usize),
    /// A call of ours leaves.
    CallLeaves,
    /// It moves the payment on.
    CallTakesEffect(usize, usize),
    /// Its answer comes.
    AnswerComes(usize),
    /// Its answer is lost; the next one is a repetition of it.
    AnswerIsLost(usize),
    /// An event is kept, for later. Here and below, zero is the youngest.
    EventIsKept(usize),
    /// An event is kept where it is not, and worked on.
    EventComes(usize),
    /// A read begins, and fetches at once: until it ends, it may fetch again.
    ReadBegins,
    ReadFetches(usize),
    ReadEnds(usize),
}

impl Step {
    /// Reads a number as a step, the likely ones more often: drawing numbers costs a tenth of drawing steps.
    const fn of(number: u32) -> Self {
        let [kind, near, far, _] = number.to_le_bytes();
        let (near, far) = ((near % 8) as usize, (far % 8) as usize);
        match kind % 24 {
            0..6 => Self::Happens(near),
            6 => Self::CallLeaves,
            7 | 8 => Self::CallTakesEffect(near, far),
            9 | 10 => Self::AnswerComes(near),
            11 => Self::AnswerIsLost(near),
            12 | 13 => Self::EventIsKept(near),
            14..19 => Self::EventComes(near),
            19 | 20 => Self::ReadBegins,
            21 => Self::ReadFetches(near),
            _ => Self::ReadEnds(near),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let numbers = prop::collection::vec(any::<u32>(), 0..48);
    numbers.prop_map(|numbers| numbers.into_iter().map(Step::of).collect())
}

/// How the provider's payment stands, and what it told of it.
struct Company {
    truth: PaymentSnapshot,
    /// What is or was held for us.
    authorized_minor: i64,
    attempts: usize,
    /// Whether events show the charge, as some providers' do. Stripe's do not: the charge has events of its own.
    shows_charges: bool,
    /// How it stood at each event; none for an event of a charge, which tells only that something changed.
    events: Vec<Option<PaymentSnapshot>>,
}

impl Company {
    fn new(shows_charges: bool) -> Self {
        let truth = super::tests::said(PaymentState::Created);
        let mut company = Self {
            truth,
            authorized_minor: 0,
            attempts: 0,
            shows_charges,
            events: Vec::new(),
        };
        company.tell();
        company
    }

    fn tell(&mut self) {
        let charge = self.truth.charge.clone().filter(|_| self.shows_charges);
        self.events.push(Some(PaymentSnapshot {
            charge,
            ..self.truth.clone()
        }));
    }

    /// Moves the payment on in one of the ways that are open to it, and tells of it. `false` where there is none.
    fn move_on(&mut self, choice: usize) -> bool {
        let Said::Known(state) = self.truth.state else {
            return false;
        };
        match (state, choice) {
            (PaymentState::Captured | PaymentState::Canceled, _) => return false,
            (PaymentState::Authorized, 0 | 1) => self.end(PaymentState::Canceled),
            (PaymentState::Authorized, 2 | 3) => self.end(PaymentState::Captured),
            (PaymentState::Authorized, _) => {
                let part_minor = 1 + self.truth.capturable_minor / 3;
                self.truth.captured_minor += part_minor;
                self.truth.capturable_minor -= part_minor;
                if self.truth.capturable_minor == 0 {
                    self.end(PaymentState::Captured);
                }
            }
            (_, 0 | 1) => self.decline(),
            (_, 2 | 3) => self.attempt(PaymentState::RequiresAction),
            (_, 4) => self.attempt(PaymentState::Processing),
            (_, 5) => {
                self.attempt(PaymentState::Authorized);
                (self.truth.capturable_minor, self.authorized_minor) = (OWED, OWED);
            }
            (_, 6) => {
                self.attempt(PaymentState::Captured);
                (self.truth.captured_minor, self.authorized_minor) = (OWED, OWED);
            }
            (_, _) => self.end(PaymentState::Canceled),
        }
        self.tell();
        if self.truth.charge.is_some() && !self.shows_charges {
            self.events.push(None);
        }
        true
    }

    /// The customer tries: with an action to do, there is no charge yet.
    fn attempt(&mut self, state: PaymentState) {
        self.attempts += 1;
        let needs_action = state == PaymentState::RequiresAction;
        // The same words again for every other attempt, so that an old one can look like a new one.
        self.truth.next_action = needs_action.then(|| serde_json::json!({ "attempt": self.attempts % 2 }));
        self.truth.charge = (!needs_action).then(|| ChargeSnapshot {
            id: format!("ch_{}", self.attempts),
            created: OffsetDateTime::UNIX_EPOCH,
            balance_transactions: Vec::new(),
            refunds: Vec::new(),
        });
        self.truth.decline = None;
        self.truth.state = Said::Known(state);
    }

    fn decline(&mut self) {
        self.attempt(PaymentState::Created);
        self.truth.charge = None;
        self.truth.decline = Some(Decline {
            code: format!("declined_{}", self.attempts % 2),
            message: String::new(),
        });
    }

    /// What is not captured is let go; what was taken in part stays taken.
    fn end(&mut self, state: PaymentState) {
        let truth = &mut self.truth;
        truth.next_action = None;
        if state == PaymentState::Captured && truth.captured_minor == 0 {
            truth.captured_minor = truth.capturable_minor;
        }
        truth.capturable_minor = 0;
        let taken = truth.captured_minor > 0;
        truth.state = Said::Known(if taken { PaymentState::Captured } else { state });
    }
}

/// A call of ours that has no outcome yet.
struct Call {
    as_of: i64,
    effect: Option<PaymentSnapshot>,
    unknown: bool,
}

/// A read on its way.
struct Read {
    began: usize,
    as_of: i64,
    fetched: Option<PaymentSnapshot>,
}

/// The service, with the provider.
struct World {
    company: Company,
    held: Payment,
    calls: Vec<Call>,
    reads: Vec<Read>,
    /// When each event was kept.
    kept: Vec<Option<usize>>,
    worked: BTreeSet<usize>,
    /// When the last read that was applied began.
    read_at: Option<usize>,
    time: usize,
}

impl World {
    fn new(state: PaymentState, shows_charges: bool) -> Self {
        Self {
            company: Company::new(shows_charges),
            held: Payment { state, ..payment() },
            calls: Vec::new(),
            reads: Vec::new(),
            kept: Vec::new(),
            worked: BTreeSet::new(),
            read_at: None,
            time: 0,
        }
    }

    fn take(&mut self, step: Step) {
        self.time += 1;
        match step {
            Step::Happens(choice) => {
                self.company.move_on(choice);
            }
            Step::CallLeaves => self.calls.push(Call {
                as_of: self.held.version,
                effect: None,
                unknown: false,
            }),
            Step::CallTakesEffect(call, choice) => {
                if let Some(call) = pick(&mut self.calls, call)
                    && call.effect.is_none()
                {
                    self.company.move_on(choice);
                    call.effect = Some(self.company.truth.clone());
                }
            }
            Step::AnswerComes(call) => {
                if !self.calls.is_empty() {
                    self.answer(call % self.calls.len());
                }
            }
            Step::AnswerIsLost(call) => {
                if let Some(call) = pick(&mut self.calls, call) {
                    call.unknown = true;
                    call.as_of = self.held.version;
                }
            }
            Step::EventIsKept(age) => {
                let event = self.event_of_age(age);
                self.keep(event);
            }
            Step::EventComes(age) => self.work(self.event_of_age(age)),
            Step::ReadBegins => {
                self.begin_read();
                self.take(Step::ReadFetches(self.reads.len() - 1));
            }
            Step::ReadFetches(read) => {
                if let Some(read) = pick(&mut self.reads, read) {
                    read.fetched = Some(self.company.truth.clone());
                }
            }
            Step::ReadEnds(read) => {
                if !self.reads.is_empty() {
                    self.end_read(read % self.reads.len());
                }
            }
        }
    }

    /// As `app::carry_out` settles an operation.
    fn answer(&mut self, index: usize) {
        if self.calls[index].effect.is_none() {
            return;
        }
        let call = self.calls.remove(index);
        let Some(said) = call.effect else { return };
        let authority = if call.unknown {
            Authority::Hint
        } else {
            Authority::since(call.as_of, &self.held)
        };
        if self.hear(&said, authority) == Decision::Ask || call.unknown {
            self.begin_read();
        }
    }

    fn event_of_age(&self, age: usize) -> usize {
        let events = self.company.events.len();
        events - 1 - age % events
    }

    /// As `app::webhooks` keeps an event: when it was kept first.
    fn keep(&mut self, index: usize) -> usize {
        self.kept.resize(self.company.events.len(), None);
        *self.kept[index].get_or_insert(self.time)
    }

    /// As `app::webhooks` works on an event, for the first time or again.
    fn work(&mut self, index: usize) {
        let kept = self.keep(index);
        self.worked.insert(index);
        let said = self.company.events[index].clone();
        let decides = said.is_some_and(|said| self.hear(&said, Authority::Hint) != Decision::Ask);
        if !decides && self.read_at.is_none_or(|began| began <= kept) {
            self.begin_read();
        }
    }

    fn begin_read(&mut self) {
        self.reads.push(Read {
            began: self.time,
            as_of: self.held.version,
            fetched: None,
        });
    }

    /// As `app::payments::refresh` ends a read, or begins it again.
    fn end_read(&mut self, index: usize) {
        let Some(said) = self.reads[index].fetched.clone() else {
            return;
        };
        let read = self.reads.remove(index);
        match Authority::since(read.as_of, &self.held) {
            Authority::Hint => self.begin_read(),
            Authority::Fresh => {
                let decision = self.hear(&said, Authority::Fresh);
                assert_ne!(decision, Decision::Ask, "a read decides");
                self.read_at = Some(read.began);
            }
        }
    }

    fn hear(&mut self, said: &PaymentSnapshot, authority: Authority) -> Decision {
        let decision = self
            .held
            .hear(said, authority, OffsetDateTime::UNIX_EPOCH)
            .decision;
        assert!(
            !matches!(decision, Decision::Impossible(_)),
            "the provider's own word is impossible: {said:?}"
        );
        decision
    }

    /// Lets everything end: the list of events is polled, every call gets an answer, every read comes to its end.
    fn settle(&mut self, order: &[usize]) {
        let mut events: Vec<usize> = (0..self.company.events.len())
            .filter(|event| !self.worked.contains(event))
            .collect();
        events.sort_by_key(|event| order[event % order.len()]);
        for event in events {
            self.time += 1;
            self.work(event);
        }
        while let Some(call) = self.calls.first() {
            if call.effect.is_none() {
                // It never got there.
                self.calls.remove(0);
            } else {
                self.take(Step::AnswerComes(0));
            }
        }
        for turn in 0.. {
            let Some(read) = order[turn % order.len()].checked_rem(self.reads.len()) else {
                break;
            };
            if self.reads[read].fetched.is_none() {
                self.take(Step::ReadFetches(read));
            }
            self.take(Step::ReadEnds(read));
        }
    }
}

fn pick<T>(all: &mut [T], choice: usize) -> Option<&mut T> {
    let index = choice.checked_rem(all.len())?;
    all.get_mut(index)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_answers_and_reads_in_any_order_any_number_and_with_any_omitted_end_as_the_providers_payment(
        steps in steps(),
        order in prop::collection::vec(any::<usize>(), 1..16),
        begins in prop::sample::select(vec![PaymentState::Created, PaymentState::Unknown, PaymentState::Failed]),
        shows_charges: bool,
    ) {
        let mut world = World::new(begins, shows_charges);
        for step in steps {
            world.take(step);
        }
        world.settle(&order);
        let World { held, company: Company { truth, authorized_minor, .. }, .. } = world;
        prop_assert_eq!(Said::Known(held.state), truth.state, "{:?}", held);
        prop_assert_eq!(held.captured_minor, truth.captured_minor, "{:?}", held);
        prop_assert_eq!(held.authorized_minor, authorized_minor, "{:?}", held);
        prop_assert_eq!(held.next_action, truth.next_action);
        if matches!(held.state, PaymentState::Created) {
            prop_assert_eq!(held.decline, truth.decline);
        }
        if authorized_minor > 0 {
            prop_assert_eq!(held.charge_reference, truth.charge.map(|charge| charge.id));
        }
    }
}
