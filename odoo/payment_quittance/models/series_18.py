"""What differs in Odoo 18: names of core's hooks, and nothing else. `series_19` is its twin."""

# What is of one series has a file of its own, and is not merged with the rest.
# pylint: disable=consider-merging-classes-inherited

import logging

import requests

from odoo import api, models
from odoo.exceptions import ValidationError

from .. import const

_logger = logging.getLogger(__name__)


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    @api.model
    def _quittance_setup_group(self):
        """Sort our group under a category of its own, and give it to the administrator."""
        category = self.env["ir.module.category"]._load_records(
            [{"xml_id": "payment_quittance.module_category_quittance", "values": {"name": "Quittance"}}]
        )
        group = self.env.ref("payment_quittance.group_quittance_manager")
        group.category_id = category
        self.env.ref("base.user_admin").groups_id += group

    def _quittance_send(self, method, endpoint, *, reference=None, key=None, **payload):
        """Send a request. Core has no helper for it in this series."""
        url = self._quittance_request_url(endpoint)
        headers = self._quittance_request_headers(key)
        _logger.info("asking Quittance for %s: %s %s", reference or "the provider", method, url)
        try:
            response = requests.request(method, url, headers=headers, timeout=const.TIMEOUT_S, **payload)
            self._quittance_log_response(response, reference)
            if not response.ok:
                raise self._quittance_failure(response)
            return self._quittance_content(response)
        except requests.exceptions.RequestException as error:
            raise self._quittance_lost(error) from None


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    def _quittance_process(self, payment):
        """Take in what the service says of this transaction, by core's own way."""
        self.ensure_one()
        return self._handle_notification_data("quittance", dict(payment, quittance_transaction=self.id))

    def _get_tx_from_notification_data(self, provider_code, notification_data):
        tx = super()._get_tx_from_notification_data(provider_code, notification_data)
        if provider_code != "quittance" or len(tx) == 1:
            return tx
        if known := notification_data.get("quittance_transaction"):
            return self.browse(known)
        reference = notification_data.get("reference")
        return self.search([("reference", "=", reference), ("provider_code", "=", "quittance")])

    def _process_notification_data(self, notification_data):
        res = super()._process_notification_data(notification_data)
        if self.provider_code == "quittance":
            self._quittance_take_in(notification_data)
        return res

    def _quittance_take_in(self, payment):
        """What core does around it in the series after this one: compare the amount before, and tokenize after."""
        if not self._quittance_amount_fits(payment):
            self._set_error(self.env._("The amount or the currency of the payment differs from the transaction's."))
            return
        self._quittance_apply(payment)
        if self.tokenize and self.state in ("authorized", "done"):
            self._quittance_tokenize(payment)

    def _quittance_amount_fits(self, payment):
        """Whether a payment is of this transaction's amount; where none is told, nothing is to be compared."""
        told = self._quittance_amount_data(payment)
        if told is None or self.operation == "validation":
            return True
        same_currency = told["currency_code"] == self.currency_id.name
        return same_currency and self.currency_id.compare_amounts(told["amount"], self.amount) == 0

    def _quittance_tokenize(self, payment):
        values = self._quittance_token_values(payment)
        if not values:
            return
        self.token_id = self.env["payment.token"].create(
            {
                "provider_id": self.provider_id.id,
                "payment_method_id": self.payment_method_id.id,
                "partner_id": self.partner_id.id,
                **values,
            }
        )
        self.tokenize = False

    def _send_payment_request(self):
        res = super()._send_payment_request()
        if self.provider_code == "quittance":
            self._quittance_guarded(self._quittance_charge_token)
        return res

    def _send_capture_request(self, amount_to_capture=None):
        child = super()._send_capture_request(amount_to_capture=amount_to_capture)
        if self.provider_code == "quittance":
            (child or self)._quittance_guarded((child or self)._quittance_capture)
        return child

    def _send_void_request(self, amount_to_void=None):
        child = super()._send_void_request(amount_to_void=amount_to_void)
        if self.provider_code == "quittance":
            (child or self)._quittance_guarded((child or self)._quittance_void)
        return child

    def _send_refund_request(self, amount_to_refund=None):
        child = super()._send_refund_request(amount_to_refund=amount_to_refund)
        if self.provider_code == "quittance":
            child._quittance_guarded(child._quittance_refund)
        return child

    def _quittance_guarded(self, send):
        """Keep a refusal on the transaction that asked, as core itself does in the series after this one.

        A transaction that holds money is not in error because its capture was refused: the person is told.
        """
        try:
            send()
        except ValidationError as error:
            if self.state == "authorized":
                raise
            self._set_error(str(error))

    def _quittance_void_whole(self):
        """Who lets go of all that was held needs no child here: one would have the transaction done."""
        return self.browse()
