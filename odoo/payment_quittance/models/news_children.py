# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import models

from .. import utils
from ..exceptions import Rejected


class PaymentTransaction(models.Model):
    """Captures, releases and refunds as Odoo's child transactions, wherever they were asked for."""

    _inherit = "payment.transaction"

    def _quittance_sync_children(self, payment):
        super()._quittance_sync_children(payment)
        if payment.get("capture_method") == "manual" and not self.quittance_is_held:
            self.quittance_is_held = True
        if "captures" not in payment:
            # An answer of the API, or a setup: only news tells what was taken, each part by its name.
            return
        self._quittance_tell_captures(payment)
        self._quittance_tell_release(payment)
        self._quittance_tell_refunds(payment)

    # === Captures === #

    def _quittance_tell_captures(self, payment):
        captures = payment.get("captures") or []
        for capture in captures:
            if self._quittance_is_own(payment, capture, is_only=len(captures) == 1):
                self._quittance_name(capture, capture.get("captured_on"))
                continue
            child = self._quittance_child(capture, is_refund=False)
            child._quittance_name(capture, capture.get("captured_on"))
            if child.state != "done":
                child._set_done(extra_allowed_states=("cancel",))

    def _quittance_is_own(self, payment, capture, is_only):
        """Whether a capture is the transaction's own, and not a child's."""
        if payment.get("capture_method") != "manual" or capture.get("reference") == self.reference:
            return True
        if self.quittance_source == capture["source"]:
            return True
        # Odoo posted a payment for the whole before it heard of the capture.
        return bool(self.payment_id) and is_only and capture["amount_minor"] == payment["amount_minor"]

    # === What is not captured any more === #

    def _quittance_tell_release(self, payment):
        """Void what was held and is not any more, so that the source's state follows its children's."""
        taken = sum(capture["amount_minor"] for capture in payment.get("captures") or [])
        rest = payment["amount_minor"] - taken
        is_over = self._quittance_state(payment) in ("done", "cancel") and payment.get("capture_method") == "manual"
        parts = self._quittance_parts()
        if not is_over or rest <= 0 or not (self.state == "authorized" or parts):
            return
        source = f"{payment['id']}:released"
        child = parts.filtered(lambda tx: tx.quittance_source == source)
        if not child:
            asked = [
                operation.get("reference")
                for operation in payment.get("operations") or []
                if operation["kind"] == "cancel" and operation["state"] == "succeeded"
            ]
            unnamed = parts.filtered(lambda tx: not tx.quittance_source and tx.state in ("draft", "pending", "cancel"))
            child = (
                unnamed.filtered(lambda tx: tx.reference in asked)[:1]
                or unnamed.filtered(lambda tx: utils.to_minor(tx.amount, tx.currency_id.name) == rest)[:1]
            )
        if not child:
            child = self._quittance_release(rest) if taken else self._quittance_void_whole()
        if not child:
            return
        child.quittance_source = source
        if child.state != "cancel":
            child._set_canceled()

    def _quittance_release(self, minor):
        """The child that lets go of what the captures left."""
        amount = utils.from_minor(minor, self.currency_id.name)
        return self._create_child_transaction(amount, provider_reference=self.provider_reference)

    def _quittance_parts(self):
        """The children that capture or void."""
        return self.child_transaction_ids.filtered(lambda tx: tx.operation != "refund")

    # === Refunds === #

    def _quittance_tell_refunds(self, payment):
        for refund in payment.get("refunds") or []:
            is_over = refund["state"] in ("failed", "canceled")
            child = self._quittance_child(refund, is_refund=True, is_made=not is_over)
            if not child:
                continue
            child._quittance_name(refund, refund.get("refunded_on"))
            child._quittance_tell_refund(refund)
            returned = refund.get("returned")
            if returned and not child.quittance_returned_on:
                child.quittance_returned_on = returned["returned_on"]

    def _quittance_tell_refund(self, refund):
        state = refund["state"]
        if state == "succeeded" and self.state != "done":
            # What failed and was tried again under the same name went back after all.
            self._set_done(extra_allowed_states=("error",))
        elif state == "pending" and self.state == "draft":
            self._set_pending()
        elif state in ("failed", "canceled") and self.state not in ("error", "cancel"):
            self._set_error(
                self.env._("The refund came back: the customer does not have the money."),
                extra_allowed_states=("done",),
            )

    # === Children === #

    def _quittance_child(self, told, is_refund, is_made=True):
        """The child that a capture or refund is, made where Odoo has none: it was made elsewhere, or Odoo lost it."""
        children = self._quittance_children().filtered(lambda tx: (tx.operation == "refund") == is_refund)
        reference, operation = told.get("reference"), told.get("operation")
        child = (
            children.filtered(lambda tx: tx.quittance_source == told["source"])
            or children.filtered(lambda tx: operation and tx.quittance_operation == operation)
            or children.filtered(lambda tx: reference and tx.reference == reference and not tx.quittance_source)
        )[:1]
        amount = utils.from_minor(told["amount_minor"], self.currency_id.name)
        if child:
            if not utils.to_minor(abs(child.amount), child.currency_id.name) == told["amount_minor"]:
                raise Rejected(
                    self.env._(
                        "%(reference)s is over %(amount)s, and %(name)s over %(told)s.",
                        reference=child.reference,
                        amount=abs(child.amount),
                        name=told["source"],
                        told=amount,
                    )
                )
            return child
        if not is_made:
            return child
        values = {
            "provider_reference": told.get("provider_reference") or self.provider_reference,
            "quittance_source": told["source"],
        }
        if reference and not self.search_count([("reference", "=", reference)], limit=1):
            values["reference"] = reference
        source = self._quittance_refundable(amount) if is_refund else self
        return source._create_child_transaction(amount, is_refund=is_refund, **values)

    def _quittance_refundable(self, amount):
        """What a refund is of: the capture that has as much left, for Odoo's payment is that one's."""
        captures = self._quittance_parts().filtered(lambda tx: tx.state == "done")

        def left(capture):
            given = capture.child_transaction_ids.filtered(lambda tx: tx.state in ("draft", "pending", "done"))
            return capture.amount + sum(given.mapped("amount"))

        fitting = captures.filtered(lambda tx: tx.currency_id.compare_amounts(left(tx), amount) >= 0)
        return fitting.sorted("id")[:1] or self

    def _quittance_name(self, told, booked_on):
        """Note what a capture or refund is called, on its transaction and on what is posted of it."""
        named = {
            "quittance_source": told["source"],
            "quittance_operation": told.get("operation"),
            "quittance_booked_on": booked_on,
        }
        values = {
            field: value for field, value in named.items() if value and (field == "quittance_source" or not self[field])
        }
        if values.get("quittance_source") == self.quittance_source:
            values.pop("quittance_source")
        if values:
            self.write(values)
        if self.payment_id and not self.payment_id.quittance_source:
            self.payment_id.quittance_source = told["source"]
