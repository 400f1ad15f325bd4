"""What a clerk, a saved method or the customer's return has the service do with a payment."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
import logging

from odoo import models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.payment import utils as payment_utils

from .. import failures

_logger = logging.getLogger(__name__)


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    # === Acting from our side === #

    def _quittance_charge_token(self):
        """Charge a saved method; the customer is there in `online_token` only."""
        if not self.token_id:
            raise ValidationError(self.env._("The transaction has no saved payment method."))
        body = self._quittance_body()
        body["payment_method"] = self.token_id.provider_ref
        body["off_session"] = self.operation != "online_token"
        if self.operation == "online_token":
            body["return_url"] = self._quittance_return_url()
        try:
            payment = self._quittance_ask("pay", "v1/payments", body)
        except failures.OutcomeUnknownError as error:
            self._quittance_await(error)
            return
        self._quittance_process(payment)

    def _quittance_capture(self):
        """Take what is held, or a part of it. The rest goes on being held where more may be taken."""
        root = self._quittance_root()
        rest = root._quittance_held(self)
        is_last = root.currency_id.compare_amounts(self.amount, rest) >= 0
        self.write(
            {
                "quittance_kind": "capture",
                "quittance_final": bool(is_last or self.env.context.get("quittance_void_rest")),
            }
        )
        body = {
            "amount_minor": self._quittance_amount_minor(),
            "reference": self.reference,
            "final": self.quittance_final,
        }
        self._quittance_change("capture", "capture", body)

    def _quittance_void(self):
        """Let go of what is held. Where the last capture does it already, there is nothing to ask for."""
        root = self._quittance_root()
        self.quittance_kind = "cancel"
        last = root.child_transaction_ids.filtered(lambda tx: tx.quittance_final and tx.state in ("pending", "done"))
        if last:
            self._quittance_let_go(last[0])
            return
        if root.currency_id.compare_amounts(self.amount, root._quittance_held(self)) != 0:
            raise failures.refused(self.env._("Only all that is still held can be let go of."), "void_in_part")
        self._quittance_change("cancel", "cancel", {"reference": self.reference})

    def _quittance_refund(self):
        """Give money back."""
        self.quittance_kind = "refund"
        body = {"amount_minor": self._quittance_amount_minor(), "reference": self.reference}
        self._quittance_change("refund", "refunds", body)

    def _quittance_change(self, operation, endpoint, body):
        """Ask for a change of the payment, and take in what became of it."""
        root = self._quittance_root()
        if not root.quittance_payment:
            raise failures.refused(self.env._("Quittance has no payment of this transaction."), "not_found")
        key = self.provider_id._quittance_key(operation, self.reference, self._quittance_amount_minor())
        url = f"v1/payments/{root.quittance_payment}/{endpoint}"
        try:
            payment = self.provider_id._quittance_call("POST", url, json=body, key=key, reference=self.reference)
        except failures.OutcomeUnknownError as error:
            self._quittance_await(error)
            return
        root._quittance_process(payment)

    def _quittance_await(self, error):
        """Wait for news: money may have moved, so this is no error, and nothing to repeat under another name."""
        self._quittance_note(error.payment)
        message = self.env._("It is not known yet whether this went through: %s It will be told by itself.", error)
        if self.state == "draft":
            self._set_pending(state_message=message)
        else:
            self.state_message = message

    # === The customer is back === #

    def _quittance_come_back(self, left=False):
        """Take in where the payment stands. Who left Stripe's page without paying does not pay there any more."""
        self.ensure_one()
        if not self.quittance_payment:
            return
        try:
            self._quittance_process(self._quittance_get(refresh=True))
            if left and self.state == "draft":
                self._quittance_call_off()
        except ValidationError as error:
            _logger.info("transaction %s: %s", self.reference, error)
        except failures.OutcomeUnknownError as error:
            self._quittance_await(error)

    def _quittance_call_off(self):
        key = self.provider_id._quittance_key("cancel", self.reference, self._quittance_amount_minor())
        url = f"v1/payments/{self.quittance_payment}/cancel"
        body = {"reason": "abandoned"}
        self._quittance_process(
            self.provider_id._quittance_call("POST", url, json=body, key=key, reference=self.reference)
        )

    def action_quittance_refresh(self):
        """Ask what became of it. What never reached the service is asked for again, under the same key."""
        payment_utils.check_rights_on_recordset(self)
        for tx in self.sudo():
            try:
                tx._quittance_catch_up()
            except failures.OutcomeUnknownError as error:
                raise UserError(self.env._("It is still not known: %s", error)) from None

    def _quittance_catch_up(self):
        root = self._quittance_root()
        if not root.quittance_payment:
            root._quittance_recover()
            return
        payment = root._quittance_get(refresh=True)
        root._quittance_process(payment)
        known = {operation.get("reference") for operation in payment.get("operations") or []}
        again = {"capture": self._quittance_capture, "cancel": self._quittance_void, "refund": self._quittance_refund}
        if self.state == "pending" and self.quittance_kind and self.reference not in known:
            self._quittance_again(again[self.quittance_kind])

    def _quittance_recover(self):
        """Find a payment whose making was not answered."""
        if self.token_id and self.state == "pending":
            self._quittance_again(self._quittance_charge_token)
            return
        params = {"reference": self.reference, "limit": 1}
        found = self.provider_id._quittance_call("GET", "v1/payments", params=params, reference=self.reference)
        payment = next(iter(found.get("data") or []), None)
        if payment:
            self._quittance_process(payment)

    def _quittance_again(self, send):
        try:
            send()
        except ValidationError as error:
            self._set_error(str(error))
