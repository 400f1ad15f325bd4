//! Money that moves between the balance and elsewhere: top-ups from the bank, transfers to other accounts.

use serde_json::{Value, json};

use super::balance::Extra;
use super::state::{Row, State, new_id};

/// Which way the money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// One top-up or transfer.
#[derive(Clone, Debug)]
pub(crate) struct Movement {
    id: String,
    way: Way,
    created: i64,
    amount: i64,
    currency: String,
    line: String,
}

impl Movement {
    fn topup(&self) -> Value {
        json!({
            "id": self.id,
            "object": "topup",
            "amount": self.amount,
            "balance_transaction": self.line,
            "created": self.created,
            "currency": self.currency,
            "description": "Top-up from bank account",
            "expected_availability_date": self.created,
            "failure_code": null,
            "failure_message": null,
            "initiated_by": "merchant",
            "livemode": false,
            "metadata": {},
            "source": null,
            "statement_descriptor": null,
            "status": "succeeded",
            "transfer_group": null,
        })
    }

    fn transfer(&self) -> Value {
        json!({
            "id": self.id,
            "object": "transfer",
            "amount": self.amount,
            "amount_reversed": 0,
            "balance_transaction": self.line,
            "created": self.created,
            "currency": self.currency,
            "description": null,
            "destination": "acct_1SandboxOther",
            "destination_payment": "py_1Sandbox",
            "livemode": false,
            "metadata": {},
            "reversals": {
                "data": [],
                "has_more": false,
                "object": "list",
                "url": format!("/v1/transfers/{}/reversals", self.id),
            },
            "reversed": false,
            "source_transaction": null,
            "source_type": "card",
            "transfer_group": null,
        })
    }
}

impl Row for Movement {
    const KIND: &'static str = "movement";
    const PARAM: &'static str = "id";

    fn id(&self) -> &str {
        &self.id
    }

    fn view(&self) -> Value {
        match self.way {
            Way::In => self.topup(),
            Way::Out => self.transfer(),
        }
    }
}

impl State {
    /// Writes a line that comes by itself, and makes the object and the event that go with it. Returns the line's id.
    pub(crate) fn write_extra(&mut self, extra: Extra, amount: i64, currency: &str) -> String {
        let (way, id, kind) = match extra {
            Extra::Topup => (Way::In, new_id("tu"), "topup.succeeded"),
            Extra::Transfer => (Way::Out, new_id("tr"), "transfer.created"),
            Extra::StripeFee
            | Extra::NetworkCost
            | Extra::TaxFee
            | Extra::ReserveHold
            | Extra::ReserveRelease
            | Extra::Contribution
            | Extra::Advance
            | Extra::SolarFlare => return self.book_extra(extra, amount, currency, None),
        };
        let line = self.book_extra(extra, amount, currency, Some(&id));
        let movement = Movement {
            id,
            way,
            created: self.today(),
            amount: amount.abs(),
            currency: currency.to_owned(),
            line: line.clone(),
        };
        let view = movement.view();
        self.movements.insert(movement);
        self.emit(kind, &view, None);
        line
    }
}
