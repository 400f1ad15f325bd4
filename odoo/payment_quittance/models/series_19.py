"""What differs in Odoo 19: names of core's hooks, and nothing else. `series_18` is its twin."""

# What is of one series has a file of its own, and is not merged with the rest.
# pylint: disable=consider-merging-classes-inherited

import logging

import requests

from odoo import api, models
from odoo.exceptions import ValidationError

from odoo.addons.payment.const import SENSITIVE_KEYS

_logger = logging.getLogger(__name__)

SENSITIVE_KEYS.update({"client_secret", "signing_secret", "quittance_redirect"})


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    @api.model
    def _quittance_setup_group(self):
        """Sort our group under a privilege of its own, and give it to the administrator."""
        privilege = self.env["res.groups.privilege"]._load_records(
            [
                {
                    "xml_id": "payment_quittance.res_groups_privilege_quittance",
                    "values": {"name": "Quittance", "category_id": self.env.ref("base.module_category_accounting").id},
                }
            ]
        )
        group = self.env.ref("payment_quittance.group_quittance_manager")
        group.privilege_id = privilege
        self.env.ref("base.user_admin").group_ids += group

    def _get_reset_values(self):
        if self.code != "quittance":
            return super()._get_reset_values()
        return self._quittance_reset_values()

    def _quittance_send(self, method, endpoint, *, reference=None, key=None, **payload):
        """Send a request by core's helper. Its one error only says that it failed: what lies under it says how."""
        try:
            return self._send_api_request(method, endpoint, reference=reference, key=key, **payload)
        except ValidationError as error:
            under = error.__context__
            if isinstance(under, requests.exceptions.HTTPError):
                raise self._quittance_failure(under.response) from None
            if isinstance(under, requests.exceptions.RequestException):
                raise self._quittance_lost(under) from None
            raise
        except requests.exceptions.RequestException as error:
            raise self._quittance_lost(error) from None

    def _build_request_url(self, endpoint, **kwargs):
        if self.code != "quittance":
            return super()._build_request_url(endpoint, **kwargs)
        return self._quittance_request_url(endpoint)

    def _build_request_headers(self, method, endpoint, payload, **kwargs):
        if self.code != "quittance":
            return super()._build_request_headers(method, endpoint, payload, **kwargs)
        return self._quittance_request_headers(kwargs.get("key"))

    def _parse_response_content(self, response, **kwargs):
        if self.code != "quittance":
            return super()._parse_response_content(response, **kwargs)
        return self._quittance_content(response)

    def _log_request(self, method, url, payload, *, reference=None):
        """Log what is asked, and never with which words: bodies are personal, and some are secret."""
        if self.code != "quittance":
            return super()._log_request(method, url, payload, reference=reference)
        return _logger.info("asking Quittance for %s: %s %s", reference or "the provider", method, url)

    def _log_response(self, response, *, reference=None):
        if self.code != "quittance":
            return super()._log_response(response, reference=reference)
        return self._quittance_log_response(response, reference)


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    def _quittance_process(self, payment):
        """Take in what the service says of this transaction, by core's own way."""
        self.ensure_one()
        return self._process("quittance", payment)

    @api.model
    def _extract_reference(self, provider_code, payment_data):
        if provider_code != "quittance":
            return super()._extract_reference(provider_code, payment_data)
        return payment_data.get("reference")

    def _extract_amount_data(self, payment_data):
        if self.provider_code != "quittance":
            return super()._extract_amount_data(payment_data)
        return self._quittance_amount_data(payment_data)

    def _apply_updates(self, payment_data):
        if self.provider_code != "quittance":
            return super()._apply_updates(payment_data)
        return self._quittance_apply(payment_data)

    def _extract_token_values(self, payment_data):
        if self.provider_code != "quittance":
            return super()._extract_token_values(payment_data)
        return self._quittance_token_values(payment_data)

    def _send_payment_request(self):
        if self.provider_code != "quittance":
            return super()._send_payment_request()
        return self._quittance_charge_token()

    def _send_capture_request(self):
        if self.provider_code != "quittance":
            return super()._send_capture_request()
        return self._quittance_capture()

    def _send_void_request(self):
        if self.provider_code != "quittance":
            return super()._send_void_request()
        return self._quittance_void()

    def _send_refund_request(self):
        if self.provider_code != "quittance":
            return super()._send_refund_request()
        return self._quittance_refund()

    def _quittance_void_whole(self):
        """The child that lets go of all that was held."""
        return self._create_child_transaction(self.amount, provider_reference=self.provider_reference)
