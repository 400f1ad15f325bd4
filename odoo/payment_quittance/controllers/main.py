from werkzeug.exceptions import NotFound

from odoo import http
from odoo.http import request
from odoo.tools import consteq

from odoo.addons.payment.controllers.post_processing import PaymentPostProcessing

from ..models.quittance_letter import LATER
from ..models.transaction_begin import RETURN_ROUTE


class QuittanceController(http.Controller):
    @http.route(RETURN_ROUTE, type="http", methods=["GET"], auth="public")
    def quittance_return(self, reference="", access_token="", left=None, **_kwargs):
        """Greet a customer who comes back from their bank or from Stripe's page.

        Whatever the browser brings along is not believed: where the payment stands is asked of the service.
        """
        domain = [("reference", "=", reference), ("provider_code", "=", "quittance")]
        tx_sudo = request.env["payment.transaction"].sudo().search(domain)
        if not tx_sudo or not consteq(access_token, tx_sudo._quittance_access_token()):
            raise NotFound()
        tx_sudo._quittance_come_back(left=bool(left))
        return request.redirect("/payment/status")


class QuittanceStatus(PaymentPostProcessing):
    def _get_monitored_transaction(self):
        """Have what the customer's page posts hold nothing while it prints, as news does."""
        tx_sudo = super()._get_monitored_transaction()
        if tx_sudo.provider_code != "quittance":
            return tx_sudo
        return tx_sudo.with_context(**{LATER: tx_sudo.provider_id.id})

    @http.route()
    def poll_status(self, **kwargs):
        """Have the customer's page ask again while news posts what it asks for: both would write the same documents."""
        tx_sudo = self._get_monitored_transaction()
        if tx_sudo.provider_code == "quittance" and not tx_sudo.is_post_processed and tx_sudo._quittance_is_in_hand():
            request.env.cr.rollback()
            raise Exception("retry")  # pylint: disable=broad-exception-raised  # as core has it, and its script knows it
        return super().poll_status(**kwargs)
