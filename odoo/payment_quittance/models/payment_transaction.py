import logging

from odoo import fields, models
from odoo.exceptions import ValidationError

from .. import failures, utils

_logger = logging.getLogger(__name__)


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    quittance_payment = fields.Char(
        "Payment at Quittance",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="pay_… or, of a validation, set_…",
    )
    quittance_version = fields.Integer("Version at Quittance", readonly=True, copy=False)
    quittance_kind = fields.Selection(
        [("capture", "Capture"), ("cancel", "Void"), ("refund", "Refund")], "Asked for", readonly=True, copy=False
    )
    quittance_final = fields.Boolean("Lets go of the rest", readonly=True, copy=False)

    # === Taking in === #

    def _quittance_amount_data(self, payment):
        """The amount in core's form; none where a payment does not tell it, as a setup does not."""
        currency = payment.get("currency")
        if "amount_minor" not in payment or utils.decimals(currency) is None:
            return None
        return {"amount": utils.from_minor(payment["amount_minor"], currency), "currency_code": currency}

    def _quittance_apply(self, payment):
        """Take in a payment or a setup as the service tells it: in an answer, or as news.

        What moves our transactions goes through here. Safe to repeat, in any order: what is older than what was taken
        in changes nothing.
        """
        self.ensure_one()
        if self.quittance_payment and payment.get("id") != self.quittance_payment:
            _logger.warning("transaction %s is %s, not %s", self.reference, self.quittance_payment, payment.get("id"))
            return
        version = payment.get("version") or 0
        if version and version < self.quittance_version:
            return
        self._quittance_note(payment)
        self._quittance_update_children(payment)
        self._quittance_sync_children(payment)
        self._quittance_set_state(self._quittance_state(payment), payment)

    def _quittance_note(self, payment):
        """Remember by which names the service and Stripe know it, and what it was paid with."""
        values = {}
        if payment.get("id"):
            values["quittance_payment"] = payment["id"]
        if payment.get("provider_reference"):
            values["provider_reference"] = payment["provider_reference"]
        if payment.get("version"):
            values["quittance_version"] = payment["version"]
        method = payment.get("payment_method")
        if isinstance(method, dict) and (known := self._quittance_method(method)):
            values["payment_method_id"] = known.id
        changed = {field: value for field, value in values.items() if self._quittance_value(field) != value}
        if changed:
            self.write(changed)

    def _quittance_value(self, field):
        value = self[field]
        return value.id if isinstance(value, models.BaseModel) else value

    def _quittance_method(self, method):
        """Odoo's method of what was paid with, where it is another than was chosen; as on Stripe's page."""
        kind = method.get("kind")
        if not kind or self.provider_id._quittance_stripe_type(self.payment_method_id) == kind:
            return None
        methods = self.provider_id.with_context(active_test=False).payment_method_ids
        return methods.filtered(lambda known: self.provider_id._quittance_stripe_type(known) == kind)[:1]

    def _quittance_state(self, payment):
        """The state that Odoo has for where a payment or a setup stands.

        A declined one is in error here, though it may yet be paid: a shop does not take a pending cart's payment again.
        """
        state = payment.get("state")
        is_declined = state == "created" and payment.get("decline")
        if payment.get("odoo_state") and not is_declined:
            return payment["odoo_state"]
        if state == "created":
            return "error" if payment.get("decline") else "draft"
        return {
            "requires_action": "pending",
            "processing": "pending",
            "unknown": "pending",
            "authorized": "authorized",
            "captured": "done",
            "succeeded": "done",
            "failed": "error",
            "canceled": "cancel",
        }.get(state, "draft")

    def _quittance_set_state(self, state, payment):
        """Move to a state. Where money is, wins: a payment that was given up and is paid all the same is paid."""
        if state in ("draft", self.state):
            return
        match state:
            case "pending":
                message = payment.get("state") == "requires_action" and self.env._(
                    "The customer must confirm the payment."
                )
                self._set_pending(state_message=message or None, extra_allowed_states=("error",))
            case "authorized":
                self._set_authorized(extra_allowed_states=("error", "cancel"))
            case "done":
                self._set_done(extra_allowed_states=("cancel",))
            case "cancel":
                self._set_canceled(extra_allowed_states=("error",))
            case "error":
                self._set_error(self._quittance_why(payment))

    def _quittance_why(self, payment):
        """Why a payment was declined, in words for the customer."""
        decline = payment.get("decline") or {}
        message = decline.get("message") or self.env._("The payment was declined.")
        if decline.get("code") == "authentication_required":
            message = self.env._("%s The customer must confirm it: send them a payment link.", message)
        return message

    # === Saved methods === #

    def _quittance_token_values(self, payment):
        """What a saved method is kept with; nothing where the payment does not tell it yet, or it is kept already."""
        method = payment.get("payment_method")
        if isinstance(method, str):
            try:
                method = self.provider_id._quittance_call(
                    "GET", f"v1/payment_methods/{method}", reference=self.reference
                )
            except (ValidationError, failures.OutcomeUnknownError) as error:
                _logger.info("transaction %s: its method is not told yet: %s", self.reference, error)
                return {}
        if not method or method.get("state", "active") != "active" or self.partner_id.is_public:
            return {}
        kept = self.env["payment.token"].search(
            [
                ("provider_id", "=", self.provider_id.id),
                ("provider_ref", "=", method["id"]),
                ("partner_id", "=", self.partner_id.id),
            ],
            limit=1,
        )
        if kept:
            self.write({"token_id": kept.id, "tokenize": False})
            return {}
        customer = payment.get("customer")
        return {
            "provider_ref": method["id"],
            "payment_details": method.get("last4"),
            "quittance_customer": customer.get("id") if isinstance(customer, dict) else customer,
        }
