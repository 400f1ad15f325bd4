"""What the service is asked for: each wish under the key that it has in every attempt."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
import logging
import re

from odoo import models
from odoo.exceptions import ValidationError

from .. import failures, utils

_logger = logging.getLogger(__name__)

# Why the service does not take a wish that it may have had before: the payment of that name decides.
_HAD_BEFORE = {"idempotency_key_reused", "reference_in_use"}


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    def _quittance_amount_minor(self):
        """The amount without its sign, in whole minor units."""
        minor = utils.to_minor(abs(self.amount), self.currency_id.name)
        if minor is None:
            raise ValidationError(self.env._("%(currency)s has no parts that small.", currency=self.currency_id.name))
        return minor

    def _quittance_body(self):
        """What a payment is asked for with, however it is paid."""
        provider = self.provider_id
        body = {
            "provider_account": provider.quittance_account,
            "reference": self.reference,
            "amount_minor": self._quittance_amount_minor(),
            "currency": self.currency_id.name,
            "capture_method": "manual" if provider.capture_manually else "automatic",
            "settles": self._quittance_settles(),
        }
        if provider.quittance_instance:
            body["odoo_instance"] = provider.quittance_instance
        if customer := self._quittance_find_customer():
            body["customer"] = customer
        if self.tokenize:
            body["setup_future_usage"] = "off_session"
        return body

    def _quittance_settles(self):
        """Which documents it pays, and how much of each; in their order, until nothing is left."""
        rest = self._quittance_amount_minor()
        settles = []
        for document, amount in self._quittance_documents():
            owed = utils.to_minor(amount, self.currency_id.name) or 0
            share = min(owed, rest)
            if share > 0:
                settles.append({"model": document._name, "id": document.id, "amount_minor": share})
                rest -= share
        return settles

    def _quittance_documents(self):
        """Documents of the transaction's own currency, with what is owed on each."""
        for invoice in self.sudo().invoice_ids.sorted("id"):
            if invoice.currency_id == self.currency_id:
                yield invoice, invoice.amount_residual or invoice.amount_total
        if "sale_order_ids" in self._fields:  # The module `sale` need not be there.
            for order in self.sudo().sale_order_ids.sorted("id"):
                if order.currency_id == self.currency_id:
                    yield order, order.amount_total

    def _quittance_find_customer(self):
        """The customer to name, where somebody is known to pay: who saves a method, and who is logged in.

        A payment that saves nothing goes on without where the partner cannot be told of.
        """
        if self.token_id:
            return self.token_id.quittance_customer
        if self.tokenize:
            return self._quittance_customer()
        if self.env.user._is_public() or self.partner_id.is_public:
            return None
        try:
            return self._quittance_customer()
        except (ValidationError, failures.OutcomeUnknownError) as error:
            _logger.info("transaction %s is asked for without its customer: %s", self.reference, error)
            return None

    def _quittance_customer(self):
        """The partner as the service knows them: made or changed by what Odoo knows now."""
        provider = self.provider_id
        body = {
            "provider_account": provider.quittance_account,
            "partner": f"{provider._quittance_database()}|{self.partner_id.id}",
        }
        if self.partner_name:
            body["name"] = self.partner_name[:256]
        if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", self.partner_email or ""):
            body["email"] = self.partner_email
        if re.fullmatch(r"[\d +\-().]{1,20}", self.partner_phone or ""):
            body["phone"] = self.partner_phone
        # A partner who has changed since is another wish, under the same reference.
        wish = "|".join([self.reference, *body.values()])
        key = provider._quittance_key("customer", wish)
        answer = provider._quittance_call("POST", "v1/customers", json=body, key=key, reference=self.reference)
        return answer["id"]

    def _quittance_ask(self, operation, endpoint, body):
        """Ask for money or for a method. What was asked for before a rollback is taken up again."""
        provider = self.provider_id
        amount_minor = 0 if operation == "setup" else self._quittance_amount_minor()
        key = provider._quittance_key(operation, self.reference, amount_minor)
        try:
            return provider._quittance_call("POST", endpoint, json=body, key=key, reference=self.reference)
        except ValidationError as error:
            had = operation == "pay" and failures.code_of(error) in _HAD_BEFORE and self._quittance_find_payment(body)
            if not had:
                raise
            return had

    def _quittance_find_payment(self, body):
        """The payment that this very wish made before Odoo forgot it, with the same amount, currency and customer."""
        params = {"reference": self.reference, "limit": 1}
        found = self.provider_id._quittance_call("GET", "v1/payments", params=params, reference=self.reference)
        payment = next(iter(found.get("data") or []), None)
        same = payment and all(
            payment.get(field) == body.get(field) for field in ("reference", "amount_minor", "currency", "customer")
        )
        return payment if same else None

    def _quittance_get(self, refresh=False):
        """What the service knows of it now; with `refresh`, after it asked Stripe."""
        kind = "setups" if self.quittance_payment.startswith("set_") else "payments"
        params = {"refresh": "true"} if refresh else None
        endpoint = f"v1/{kind}/{self.quittance_payment}"
        return self.provider_id._quittance_call("GET", endpoint, params=params, reference=self.reference)
