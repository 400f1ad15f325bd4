//! The port, for this company: what an implementation must at least do.

use std::sync::Arc;

use async_trait::async_trait;
use quittance::domain::money::Money;
use quittance::domain::operation::OperationKind;
use quittance::domain::payment::{CaptureMethod, Decline};
use quittance::domain::snapshot::Snapshot;
use quittance::provider::{
    Affairs, Ambiguity, Call, Capability, Delivery, Disputes, Endpoints, Envelope, History, Interpretation,
    Memory, ObjectRef, Outcome, PartRef, Provider, ProviderAccount, ProviderError, Settlement,
    VerifiedWebhook, VerifyError, Wallet, verify_hmac_sha256,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::company::{Company, Cut};
use super::read::{Transfer, moment};

/// How far a seal may be from now, in seconds.
const TOLERANCE_SECS: u64 = 300;

/// The company, reached.
#[derive(Clone, Debug)]
pub(crate) struct Giro {
    company: Arc<Company>,
}

/// The company's answer.
#[derive(Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
enum Verdict {
    Yes { transfer: Transfer },
    No { reason: String, explain: String },
    BankSaysNo { reason: String, explain: String },
    Later { seconds: u64 },
    Busy,
    Who,
    Broken,
}

#[derive(Deserialize)]
struct Notice {
    #[serde(rename = "notice")]
    id: String,
    what: String,
    about: String,
    at: String,
    real: bool,
    transfer: Option<Value>,
}

fn invalid(code: &str, message: &str, param: Option<&str>) -> ProviderError {
    ProviderError::Invalid {
        code: code.to_owned(),
        message: message.to_owned(),
        param: param.map(str::to_owned),
    }
}

fn unclear(message: &str) -> ProviderError {
    ProviderError::Ambiguous {
        ambiguity: Ambiguity::NoAnswer,
        message: message.to_owned(),
    }
}

fn unavailable(message: &str) -> ProviderError {
    ProviderError::Unavailable {
        message: message.to_owned(),
    }
}

/// Refuses what the company would take for something else.
fn check_capable(call: Call<'_>) -> Result<(), ProviderError> {
    let Call { payment, operation } = call;
    let refused = match operation.kind {
        OperationKind::Checkout => Some(Capability::HostedPage),
        OperationKind::Confirm => Some(Capability::Confirm),
        OperationKind::Authorize if operation.ask.payment_method.is_some() => Some(Capability::Confirm),
        OperationKind::Capture if !operation.ask.is_final => Some(Capability::SeveralCaptures),
        OperationKind::Capture if operation.amount_minor != payment.amount.minor() => {
            Some(Capability::PartialCapture)
        }
        OperationKind::Authorize | OperationKind::Capture | OperationKind::Cancel | OperationKind::Refund => {
            None
        }
    };
    refused.map_or(Ok(()), |capability| {
        Err(invalid(
            "not_possible",
            &format!("there is no {capability}"),
            None,
        ))
    })
}

/// The word and the body of an operation.
fn compose(call: Call<'_>) -> Result<(&'static str, Value), ProviderError> {
    check_capable(call)?;
    let Call { payment, operation } = call;
    let instruction = operation.id.to_string();
    let reference = payment.provider_reference.as_deref();
    let amount = Money::new(operation.amount_minor, payment.amount.currency()).to_decimal();
    let known =
        || reference.ok_or_else(|| invalid("unknown_transfer", "it was never opened", Some("payment")));
    Ok(match operation.kind {
        OperationKind::Authorize | OperationKind::Checkout | OperationKind::Confirm => (
            "open",
            json!({ "instruction": instruction, "note": payment.id, "amount": amount,
                "ccy": payment.amount.currency(), "hold": payment.capture_method == CaptureMethod::Manual }),
        ),
        OperationKind::Capture => ("take", json!({ "instruction": instruction, "ref": known()? })),
        OperationKind::Cancel => ("withdraw", json!({ "instruction": instruction, "ref": known()? })),
        OperationKind::Refund => (
            "give_back",
            json!({ "instruction": instruction, "ref": known()?, "amount": amount }),
        ),
    })
}

/// What a transfer says of an operation that was carried out on it.
fn outcome(call: Call<'_>, transfer: &Transfer) -> Option<Outcome> {
    let id = call.operation.id.to_string();
    if call.operation.kind == OperationKind::Refund {
        let back = transfer.returns.iter().find(|back| back.instruction == id)?;
        return transfer.returned(back).map(Snapshot::Refund).map(Outcome::Done);
    }
    transfer.said().map(Snapshot::Payment).map(Outcome::Done)
}

impl Giro {
    /// The name that accounts there carry.
    pub(crate) const NAME: &'static str = "giro";

    /// The company as our service reaches it.
    pub(crate) const fn new(company: Arc<Company>) -> Self {
        Self { company }
    }

    async fn ask(&self, account: &ProviderAccount, word: &str, body: &Value) -> Result<String, Cut> {
        let (address, key) = (account.api_base.as_str(), account.secret_key.expose_secret());
        self.company.ask(address, key, word, &body.to_string()).await
    }

    /// Looks: nothing can have happened, whatever comes of it.
    async fn look(
        &self,
        account: &ProviderAccount,
        word: &str,
        body: &Value,
    ) -> Result<Option<Transfer>, ProviderError> {
        let answer = self.ask(account, word, body).await;
        let answer = answer.map_err(|_| unavailable("no answer"))?;
        match serde_json::from_str(&answer) {
            Ok(Verdict::Yes { transfer }) => Ok(Some(transfer)),
            Ok(Verdict::No { reason, .. }) if reason == "unknown_transfer" => Ok(None),
            Ok(Verdict::No { reason, explain } | Verdict::BankSaysNo { reason, explain }) => {
                Err(invalid(&reason, &explain, None))
            }
            Ok(Verdict::Later { seconds }) => Err(rate_limited(seconds)),
            Ok(Verdict::Who) => Err(ProviderError::Auth),
            Ok(Verdict::Busy | Verdict::Broken) | Err(_) => Err(unavailable("no usable answer")),
        }
    }
}

const fn rate_limited(seconds: u64) -> ProviderError {
    ProviderError::RateLimited {
        after: Some(std::time::Duration::from_secs(seconds)),
    }
}

#[async_trait]
impl Provider for Giro {
    fn disputes(&self) -> Option<&dyn Disputes> {
        None
    }

    fn history(&self) -> Option<&dyn History> {
        None
    }

    fn endpoints(&self) -> Option<&dyn Endpoints> {
        None
    }

    async fn resolve(&self, _: &ProviderAccount, _: &PartRef) -> Result<Interpretation, ProviderError> {
        // Its notices say whose they are.
        Ok(Interpretation::NotFollowed)
    }

    fn affairs(&self) -> Option<&dyn Affairs> {
        None
    }

    fn rights(&self) -> Option<&dyn quittance::provider::Rights> {
        None
    }

    fn memory(&self) -> Option<&dyn Memory> {
        None
    }

    fn settlement(&self) -> Option<&dyn Settlement> {
        None
    }

    fn home(&self) -> &'static str {
        "https://giro.example"
    }

    fn check_keys(&self, account: &ProviderAccount) -> Result<(), String> {
        let prefix = if account.live {
            "giro-real-"
        } else {
            "giro-sandbox-"
        };
        if account.secret_key.expose_secret().starts_with(prefix) {
            Ok(())
        } else {
            Err(format!("a key of this mode starts with {prefix}"))
        }
    }

    fn capabilities(&self) -> &'static [Capability] {
        &[Capability::ManualCapture, Capability::PartialRefund]
    }

    fn repeatable_for(&self) -> Duration {
        Duration::minutes(45)
    }

    fn wallet(&self) -> Option<&dyn Wallet> {
        None
    }

    async fn execute(&self, account: &ProviderAccount, call: Call<'_>) -> Result<Outcome, ProviderError> {
        let (word, body) = compose(call)?;
        let answer = match self.ask(account, word, &body).await {
            Ok(answer) => answer,
            Err(Cut::Unreached) => return Err(unavailable("nobody is there")),
            Err(Cut::Lost) => return Err(unclear("the connection broke")),
        };
        match serde_json::from_str(&answer) {
            Ok(Verdict::Yes { transfer }) => {
                outcome(call, &transfer).ok_or_else(|| unclear("done, but its answer cannot be read"))
            }
            Ok(Verdict::BankSaysNo { reason, explain }) => Ok(Outcome::Declined {
                decline: Decline {
                    code: reason,
                    message: explain,
                },
                snapshot: None,
            }),
            Ok(Verdict::No { reason, explain }) => Err(invalid(&reason, &explain, None)),
            Ok(Verdict::Later { seconds }) => Err(rate_limited(seconds)),
            Ok(Verdict::Busy) => Err(unavailable("another instruction is at work on it")),
            Ok(Verdict::Who) => Err(ProviderError::Auth),
            Ok(Verdict::Broken) => Err(unclear("the company failed")),
            Err(_) => Err(unclear("the answer cannot be read")),
        }
    }

    async fn find(
        &self,
        account: &ProviderAccount,
        call: Call<'_>,
    ) -> Result<Option<Outcome>, ProviderError> {
        let body = json!({ "instruction": call.operation.id });
        let found = self.look(account, "trace", &body).await?;
        Ok(found.and_then(|transfer| outcome(call, &transfer)))
    }

    async fn fetch(&self, account: &ProviderAccount, object: &ObjectRef) -> Result<Snapshot, ProviderError> {
        let unknown = || invalid("unknown_transfer", "there is no such transfer", None);
        let ObjectRef::Payment(reference) = object else {
            return Err(unknown());
        };
        let found = self.look(account, "show", &json!({ "ref": reference })).await?;
        let said = found.ok_or_else(unknown)?.said();
        said.map(Snapshot::Payment)
            .ok_or_else(|| unavailable("it cannot be read"))
    }

    fn signature_header(&self) -> &'static str {
        "giro-seal"
    }

    fn verify<'a>(
        &self,
        delivery: &Delivery<'a>,
        secrets: &[SecretString],
        now: OffsetDateTime,
    ) -> Result<VerifiedWebhook<'a>, VerifyError> {
        if secrets.is_empty() {
            return Err(VerifyError::NoSecret);
        }
        let header = delivery.signature.ok_or(VerifyError::Malformed)?;
        let (at, seals) = header.split_once(' ').ok_or(VerifyError::Malformed)?;
        let seconds: i64 = at.parse().map_err(|_| VerifyError::Malformed)?;
        let seals: Option<Vec<[u8; 32]>> = seals.split(' ').map(bytes_of).collect();
        let seals = seals.ok_or(VerifyError::Malformed)?;
        if now.unix_timestamp().abs_diff(seconds) > TOLERANCE_SECS {
            return Err(VerifyError::Untimely);
        }
        let parts = [delivery.body, b"|", at.as_bytes()];
        let proof = verify_hmac_sha256(&parts, &seals, secrets).ok_or(VerifyError::Mismatch)?;
        let envelope = envelope(delivery.body).ok_or(VerifyError::NotAnEvent)?;
        Ok(VerifiedWebhook::new(&proof, envelope, delivery.body))
    }

    fn interpret(&self, event: &[u8]) -> Interpretation {
        let Ok(notice) = serde_json::from_slice::<Notice>(event) else {
            return Interpretation::NotFollowed;
        };
        if !notice.what.starts_with("transfer.") {
            return Interpretation::NotFollowed;
        }
        let transfer = notice
            .transfer
            .and_then(|shown| serde_json::from_value::<Transfer>(shown).ok());
        Interpretation::Payment {
            payment: transfer.as_ref().and_then(|transfer| transfer.note.parse().ok()),
            snapshot: transfer
                .and_then(|transfer| transfer.said())
                .map(Snapshot::Payment)
                .map(Box::new),
            reference: notice.about,
        }
    }
}

fn envelope(body: &[u8]) -> Option<Envelope> {
    let notice: Notice = serde_json::from_slice(body).ok()?;
    Some(Envelope {
        created: moment(&notice.at)?,
        event_id: notice.id,
        kind: notice.what,
        object_id: Some(notice.about),
        api_version: None,
        live: notice.real,
        external_account: None,
    })
}

fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = hex.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
