//! The company itself: its books, its rules and its bad days. Shares nothing with what speaks to it but text.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::notices::{self, Notice};
use crate::support::conformance::{Bank, Calls, Effects, Trouble};

/// How a connection to it ends without an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// There was nobody at that address.
    Unreached,
    /// It broke before an answer came.
    Lost,
}

/// A payment company in memory.
#[derive(Debug, Default)]
pub(crate) struct Company {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    transfers: BTreeMap<String, Transfer>,
    /// Which transfer an instruction was carried out on, as long as it is remembered.
    instructions: HashMap<String, String>,
    notices: Vec<Notice>,
    listeners: Vec<UnboundedSender<Notice>>,
    trouble: Option<(Calls, Trouble)>,
    blocks_next: bool,
    requests: usize,
}

#[derive(Debug)]
struct Transfer {
    reference: String,
    note: String,
    amount: String,
    ccy: String,
    hold: bool,
    status: String,
    why: Option<&'static str>,
    /// The instructions that opened, took and withdrew it.
    traces: Vec<String>,
    returns: Vec<Return>,
}

#[derive(Debug)]
struct Return {
    reference: String,
    instruction: String,
    amount: String,
    status: &'static str,
}

/// A refusal in the company's words.
fn no(reason: &str, explain: &str) -> Value {
    json!({ "verdict": "no", "reason": reason, "explain": explain })
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_default()
}

/// How many decimals the company writes a currency with.
fn decimals(ccy: &str) -> usize {
    match ccy {
        "JPY" => 0,
        "KWD" => 3,
        _ => 2,
    }
}

/// Decimal text as units, where it is written as the company wants it.
fn units(amount: &str, ccy: &str) -> Option<i64> {
    let fraction = amount.split_once('.').map_or("", |(_, fraction)| fraction);
    let units = amount.replace('.', "").parse().ok()?;
    (fraction.len() == decimals(ccy) && units > 0).then_some(units)
}

fn written(units: i64, ccy: &str) -> String {
    let decimals = decimals(ccy);
    let digits = format!("{:0>width$}", units.abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

impl Transfer {
    fn units(&self) -> i64 {
        units(&self.amount, &self.ccy).unwrap()
    }

    /// It keeps a hundredth of what it collects.
    fn lines(&self) -> Vec<Value> {
        if self.status != "paid" {
            return Vec::new();
        }
        let (gross, fee) = (self.units(), self.units() / 100);
        let line = json!({
            "line": format!("{}-L", self.reference), "of": "collection", "gross": self.amount,
            "fee": written(fee, &self.ccy), "net": written(gross - fee, &self.ccy), "on": notices::NOW_IN_WORDS,
        });
        vec![line]
    }

    fn view(&self) -> Value {
        let returns: Vec<Value> = self
            .returns
            .iter()
            .map(|back| {
                json!({ "ref": back.reference, "instruction": back.instruction, "amount": back.amount,
                    "status": back.status, "on": notices::NOW_IN_WORDS })
            })
            .collect();
        json!({
            "ref": self.reference, "note": self.note, "amount": self.amount, "ccy": self.ccy, "status": self.status,
            "why": self.why, "traces": self.traces, "booked": self.lines(), "returns": returns,
            "opened": notices::NOW_IN_WORDS,
        })
    }
}

impl Books {
    /// Carries out an instruction once, as long as it is remembered.
    fn instruct(&mut self, word: &str, body: &Value) -> Value {
        let instruction = text(body, "instruction").to_owned();
        if let Some(reference) = self.instructions.get(&instruction) {
            return json!({ "verdict": "yes", "transfer": self.transfers[reference].view() });
        }
        let done = match word {
            "open" => self.open(&instruction, body),
            "take" => self.change(&instruction, body, &["held"], "paid"),
            "withdraw" => self.change(&instruction, body, &["held", "waiting"], "withdrawn"),
            "give_back" => self.give_back(&instruction, body),
            _ => Err(no("unknown_word", "there is no such instruction")),
        };
        match done {
            Ok(reference) => {
                self.instructions.insert(instruction, reference.clone());
                self.tell(&reference);
                json!({ "verdict": "yes", "transfer": self.transfers[&reference].view() })
            }
            Err(refusal) => refusal,
        }
    }

    fn open(&mut self, instruction: &str, body: &Value) -> Result<String, Value> {
        let (amount, ccy) = (text(body, "amount"), text(body, "ccy"));
        units(amount, ccy).ok_or_else(|| no("malformed_amount", "write it with the currency's decimals"))?;
        if std::mem::take(&mut self.blocks_next) {
            return Err(
                json!({ "verdict": "bank_says_no", "reason": "AC06", "explain": "The account is blocked." }),
            );
        }
        let reference = format!("GT-{}", self.transfers.len() + 1);
        let transfer = Transfer {
            reference: reference.clone(),
            note: text(body, "note").to_owned(),
            amount: amount.to_owned(),
            ccy: ccy.to_owned(),
            hold: body["hold"] == true,
            status: "waiting".to_owned(),
            why: None,
            traces: vec![instruction.to_owned()],
            returns: Vec::new(),
        };
        self.transfers.insert(reference.clone(), transfer);
        Ok(reference)
    }

    fn find(&mut self, body: &Value) -> Result<&mut Transfer, Value> {
        let found = self.transfers.get_mut(text(body, "ref"));
        found.ok_or_else(|| no("unknown_transfer", "there is no such transfer"))
    }

    fn change(&mut self, instruction: &str, body: &Value, from: &[&str], to: &str) -> Result<String, Value> {
        let transfer = self.find(body)?;
        if !from.contains(&transfer.status.as_str()) {
            return Err(no("wrong_status", "it stands otherwise"));
        }
        to.clone_into(&mut transfer.status);
        transfer.traces.push(instruction.to_owned());
        Ok(transfer.reference.clone())
    }

    fn give_back(&mut self, instruction: &str, body: &Value) -> Result<String, Value> {
        let transfer = self.find(body)?;
        let amount = text(body, "amount");
        let asked = units(amount, &transfer.ccy).ok_or_else(|| no("malformed_amount", "of this currency"))?;
        let back: i64 = transfer
            .returns
            .iter()
            .filter_map(|back| units(&back.amount, &transfer.ccy))
            .sum();
        if transfer.status != "paid" || back + asked > transfer.units() {
            return Err(no("nothing_left", "there is less than that to give back"));
        }
        let reference = format!("{}-R{}", transfer.reference, transfer.returns.len() + 1);
        transfer.returns.push(Return {
            reference,
            instruction: instruction.to_owned(),
            amount: amount.to_owned(),
            status: "under_way",
        });
        Ok(transfer.reference.clone())
    }

    fn look(&mut self, word: &str, body: &Value) -> Value {
        let found = if word == "show" {
            self.transfers.get(text(body, "ref"))
        } else {
            let wanted = text(body, "instruction");
            self.transfers.values().find(|transfer| {
                transfer.traces.iter().any(|trace| trace == wanted)
                    || transfer.returns.iter().any(|back| back.instruction == wanted)
            })
        };
        found.map_or_else(
            || no("unknown_transfer", "there is no such transfer"),
            |transfer| json!({ "verdict": "yes", "transfer": transfer.view() }),
        )
    }

    /// Tells everybody how a transfer stands now.
    fn tell(&mut self, reference: &str) {
        let transfer = &self.transfers[reference];
        let notice = notices::of_transfer(self.notices.len(), &transfer.view(), &transfer.status);
        self.listeners
            .retain(|listener| listener.send(notice.clone()).is_ok());
        self.notices.push(notice);
    }
}

impl Company {
    /// Where it answers.
    pub(crate) const ADDRESS: &'static str = "https://giro.invalid/";
    /// The key it gave its one client.
    pub(crate) const KEY: &'static str = "giro-sandbox-7f3a";

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// One request, as its bytes cross the network.
    pub(super) async fn ask(&self, address: &str, key: &str, word: &str, body: &str) -> Result<String, Cut> {
        // Others get their turn between a request and its answer, as on a network.
        tokio::task::yield_now().await;
        if address != Self::ADDRESS {
            return Err(Cut::Unreached);
        }
        let mut books = self.books();
        books.requests += 1;
        if key != Self::KEY {
            return Ok(json!({ "verdict": "who" }).to_string());
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let is_read = matches!(word, "show" | "trace");
        let trouble = books.trouble.filter(|(calls, _)| calls.includes(is_read));
        match trouble.map(|(_, trouble)| trouble) {
            Some(Trouble::LostBefore) => return Err(Cut::Lost),
            Some(Trouble::RateLimited) => return Ok(json!({ "verdict": "later", "seconds": 60 }).to_string()),
            Some(Trouble::Busy) => return Ok(json!({ "verdict": "busy" }).to_string()),
            Some(Trouble::LostAfter | Trouble::FailedAfter | Trouble::Garbage) | None => {}
        }
        let answer = if is_read {
            books.look(word, &body)
        } else {
            books.instruct(word, &body)
        };
        match trouble.map(|(_, trouble)| trouble) {
            Some(Trouble::LostAfter) => Err(Cut::Lost),
            Some(Trouble::FailedAfter) => Ok(json!({ "verdict": "broken" }).to_string()),
            Some(Trouble::Garbage) => Ok("{\"verdict\": <".to_owned()),
            Some(Trouble::LostBefore | Trouble::RateLimited | Trouble::Busy) | None => Ok(answer.to_string()),
        }
    }
}

/// What a test may do to it and see of it.
impl Company {
    /// The customer's bank decides on a transfer.
    pub(crate) fn decide(&self, reference: &str, bank: Bank) {
        let mut books = self.books();
        let transfer = books.transfers.get_mut(reference).unwrap();
        let status = match bank {
            Bank::Agrees if transfer.hold => "held",
            Bank::Agrees => "paid",
            Bank::Declines => {
                transfer.why = Some("AM04");
                "rejected"
            }
        };
        status.clone_into(&mut transfer.status);
        books.tell(reference);
    }

    /// What is on its way back arrives.
    pub(crate) fn settle(&self) {
        let mut books = self.books();
        let mut arrived = Vec::new();
        for transfer in books.transfers.values_mut() {
            for back in transfer
                .returns
                .iter_mut()
                .filter(|back| back.status == "under_way")
            {
                back.status = "done";
                arrived.push(transfer.reference.clone());
            }
        }
        for reference in arrived {
            books.tell(&reference);
        }
    }

    /// The next customer's account turns out to be blocked.
    pub(crate) fn block_next(&self) {
        self.books().blocks_next = true;
    }

    /// An hour passes: it remembers no instruction.
    pub(crate) fn forget_instructions(&self) {
        self.books().instructions.clear();
    }

    pub(crate) fn befall(&self, trouble: Option<(Calls, Trouble)>) {
        self.books().trouble = trouble;
    }

    pub(crate) fn effects(&self) -> Effects {
        let books = self.books();
        let moved = |transfer: &&Transfer| matches!(transfer.status.as_str(), "held" | "paid");
        Effects {
            payments: books.transfers.len(),
            takings: books.transfers.values().filter(moved).count(),
            returns: books
                .transfers
                .values()
                .map(|transfer| transfer.returns.len())
                .sum(),
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.books().requests
    }

    /// What it told of a transfer, oldest first.
    pub(crate) fn notices_of(&self, reference: &str) -> Vec<Vec<u8>> {
        let books = self.books();
        let of_it = books.notices.iter().filter(|notice| notice.about == reference);
        of_it.map(|notice| notice.body.clone().into_bytes()).collect()
    }

    /// A notice in which a transfer stands in a word that nobody knows yet.
    pub(crate) fn notice_in_word(&self, reference: &str, word: &str) -> Vec<u8> {
        let books = self.books();
        let mut view = books.transfers[reference].view();
        view["status"] = json!(word);
        notices::of_transfer(books.notices.len(), &view, word)
            .body
            .into_bytes()
    }

    /// Sends its notices to an address from now on.
    #[expect(
        clippy::disallowed_methods,
        reason = "the company is not the service: it ends with its test"
    )]
    pub(crate) fn tell_at(&self, url: String, secret: String) {
        let (listener, told) = tokio::sync::mpsc::unbounded_channel();
        self.books().listeners.push(listener);
        tokio::spawn(notices::carry(url, secret, told));
    }
}
