"""Where a payment begins in a customer's browser."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from odoo import models
from odoo.exceptions import ValidationError
from odoo.tools import hmac

from .. import failures, utils

RETURN_ROUTE = "/payment/quittance/return"


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    def _get_specific_processing_values(self, processing_values):
        values = super()._get_specific_processing_values(processing_values)
        if self.provider_code != "quittance":
            return values
        begin = {
            "online_direct": self._quittance_begin_inline,
            "online_redirect": self._quittance_begin_page,
            "validation": self._quittance_begin_setup,
            "online_token": self._quittance_token_step,
        }.get(self.operation)
        return {**values, **self._quittance_begun(begin)} if begin else values

    def _quittance_begun(self, begin):
        """What the browser needs to go on.

        A refusal stays on the transaction, so that the next attempt is another one. Where the outcome is unknown, no
        customer can have paid yet: all is rolled back, and the next click asks for the very same under the same key.
        """
        if self.state == "error":
            return {"quittance_error": self.state_message}
        try:
            return begin()
        except ValidationError as error:
            self._set_error(str(error))
            return {"quittance_error": str(error)}
        except failures.OutcomeUnknownError as error:
            raise ValidationError(
                self.env._(
                    "The payment is not ready yet. Nothing was charged; please try again in a moment. (%s)", error
                )
            ) from None

    def _quittance_begin_inline(self):
        body = self._quittance_body()
        body.update(
            return_url=self._quittance_return_url(),
            payment_method_types=[self.provider_id._quittance_stripe_type(self.payment_method_id)],
        )
        return self._quittance_browser_values(self._quittance_ask("pay", "v1/payments", body))

    def _quittance_begin_page(self):
        body = self._quittance_body()
        body["payment_method_types"] = [self.provider_id._quittance_stripe_type(self.payment_method_id)]
        page = {
            "payment": body,
            "success_url": self._quittance_return_url(),
            "cancel_url": self._quittance_return_url(left="1"),
        }
        answer = self._quittance_ask("page", "v1/checkout_sessions", page)
        self._quittance_note(answer["payment"])
        if not answer.get("url"):
            raise failures.refused(
                self.env._("The page for this payment is closed. Please try again."), "checkout_not_open"
            )
        return {"quittance_page": utils.Secret(answer["url"])}

    def _quittance_begin_setup(self):
        body = {
            "customer": self._quittance_customer(),
            "reference": self.reference,
            "return_url": self._quittance_return_url(),
            "payment_method_types": [self.provider_id._quittance_stripe_type(self.payment_method_id)],
        }
        return self._quittance_browser_values(self._quittance_ask("setup", "v1/setups", body))

    def _quittance_token_step(self):
        """What the customer must still do where a saved method wants them to prove who they are."""
        if self.state != "pending" or not self.quittance_payment:
            return {}
        payment = self._quittance_get()
        if payment.get("state") != "requires_action":
            return {}
        action = payment.get("next_action") or {}
        redirect = (action.get("redirect_to_url") or {}).get("url")
        return {"quittance_redirect": utils.Secret(redirect)} if redirect else {}

    def _quittance_browser_values(self, payment):
        """What lets Stripe's script in this customer's browser finish it; for nobody else."""
        self._quittance_note(payment)
        values = {"return_url": self._quittance_return_url()}
        if payment.get("client_secret"):
            values["client_secret"] = utils.Secret(payment["client_secret"])
        return values

    def _get_specific_rendering_values(self, processing_values):
        values = super()._get_specific_rendering_values(processing_values)
        if self.provider_code != "quittance":
            return values
        url = urlsplit(processing_values.get("quittance_page") or "")
        # A form that is sent by GET drops the query of its address: each parameter becomes a field.
        parameters = parse_qsl(url.query, keep_blank_values=True)
        return {**values, "page_url": utils.Secret(urlunsplit(url._replace(query=""))), "page_parameters": parameters}

    def _quittance_return_url(self, **more):
        """Where the customer comes back to. Only who was sent there can come back."""
        query = {
            "reference": self.reference,
            "access_token": self._quittance_access_token(),
            **more,
        }
        return f"{self.provider_id.get_base_url().rstrip('/')}{RETURN_ROUTE}?{urlencode(query)}"

    def _quittance_access_token(self):
        """What shows that a customer was sent by us; there need not be a request to make it in."""
        return hmac(self.env(su=True), "payment_quittance.return", self.reference)
