"""Captures, voids and refunds that Odoo asked for, brought to where the service says they are."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import models

from .. import const, failures


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    def _quittance_root(self):
        """The transaction that the customer paid, of which this may be a part."""
        root = self
        while root.source_transaction_id:
            root = root.source_transaction_id
        return root

    def _quittance_children(self):
        """All parts of it: captures, voids and refunds, and refunds of captures."""
        children = self.child_transaction_ids
        return children | children.child_transaction_ids

    def _quittance_held(self, asking):
        """What is still held for this transaction, as far as Odoo knows, beside the part that is asking."""
        parts = (self.child_transaction_ids - asking).filtered(
            lambda tx: tx.operation == self.operation and tx.state in ("pending", "done", "cancel")
        )
        return self.currency_id.round(self.amount - sum(parts.mapped("amount")))

    # === Parts === #

    def _quittance_sync_children(self, payment):
        """Make the parts that were asked for elsewhere, as in Stripe's dashboard."""

    def _quittance_update_children(self, payment):
        """Bring the parts that Odoo asked for to where their operations are."""
        operations = {
            operation["reference"]: operation
            for operation in payment.get("operations") or []
            if operation.get("reference")
        }
        for child in self._quittance_children():
            if operation := operations.get(child.reference):
                child._quittance_apply_operation(operation, payment)
        voids = self.child_transaction_ids.filtered(
            lambda tx: tx.quittance_kind == "cancel" and tx.state == "pending" and tx.reference not in operations
        )
        last = self.child_transaction_ids.filtered("quittance_final")[:1]
        for child in voids if last else ():
            child._quittance_let_go(last)

    def _quittance_apply_operation(self, operation, payment):
        """Bring one part to where its operation is."""
        refund = self._quittance_refund_of(operation, payment)
        state = const.CHILD_STATES.get(operation["state"]) or const.DONE_STATES.get(operation["kind"])
        if state == "done" and operation["kind"] == "refund":
            state = const.REFUND_STATES.get(refund.get("state"), "pending")
        self._quittance_note(
            {"provider_reference": refund.get("provider_reference") or payment.get("provider_reference")}
        )
        if state in (None, self.state):
            return
        match state:
            case "pending":
                self._set_pending(state_message=None)
            case "done":
                self._set_done(extra_allowed_states=("cancel",))
            case "cancel":
                self._set_canceled()
            case "error":
                message = operation.get("error_message") or self.env._("It did not go through.")
                # A refund may come back after it had gone.
                self._set_error(message, extra_allowed_states=("done",))

    def _quittance_refund_of(self, operation, payment):
        """The refund that an operation made. An answer that does not say which is which decides by all of them."""
        refunds = payment.get("refunds") or []
        named = [refund for refund in refunds if refund.get("operation") == operation["id"]]
        if named:
            return named[0]
        if any("operation" in refund for refund in refunds) or operation["kind"] != "refund":
            return {}
        return refunds[-1] if all(refund["state"] == "succeeded" for refund in refunds) and refunds else {}

    def _quittance_let_go(self, capture):
        """Follow the capture that lets go of what is left."""
        match capture.state:
            case "done":
                self._set_canceled()
            case "pending":
                self._quittance_await(
                    failures.OutcomeUnknownError(self.env._("The capture before it has no outcome yet."))
                )
            case "error":
                self._set_error(self.env._("The capture that was to let go of it did not go through."))
