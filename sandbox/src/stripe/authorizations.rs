//! What becomes of an authorized charge: taken in parts, or let go.

use serde_json::{Value, json};

use super::fields::Checked;
use super::state::State;

impl State {
    /// Takes a part of what is authorized, the last one or not. Returns what the charge showed before.
    pub(crate) fn take_part(&mut self, id: &str, amount: i64, last: bool) -> Checked<Value> {
        let charge = self.charges.get_mut(id)?;
        let mut previous = json!({ "amount_captured": charge.amount_captured });
        if charge.balance_transaction.is_none() {
            previous["balance_transaction"] = Value::Null;
        }
        charge.amount_captured += amount;
        charge.captured = last;
        if amount > 0 {
            charge.captures += 1;
            self.book_capture(id, amount);
        }
        Ok(previous)
    }

    /// Lets go of an authorization, in whole or for what a capture left over. Returns what the charge showed before.
    ///
    /// Stripe shows this as an amount refunded, though no money ever moved; not where several captures were allowed.
    pub(crate) fn release(&mut self, id: &str, amount: i64) -> Checked<Value> {
        let charge = self.charges.get_mut(id)?;
        let previous = json!({ "amount_refunded": charge.amount_refunded, "refunded": charge.refunded() });
        if !charge.multicapture || charge.captures == 0 {
            charge.amount_refunded += amount;
        }
        Ok(previous)
    }
}
