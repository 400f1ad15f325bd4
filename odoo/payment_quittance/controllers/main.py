from werkzeug.exceptions import NotFound

from odoo import http
from odoo.http import request

from odoo.addons.payment import utils as payment_utils

from ..models.payment_transaction import RETURN_ROUTE


class QuittanceController(http.Controller):
    @http.route(RETURN_ROUTE, type="http", methods=["GET"], auth="public")
    def quittance_return(self, reference="", access_token="", left=None, **_kwargs):
        """Greet a customer who comes back from their bank or from Stripe's page.

        Whatever the browser brings along is not believed: where the payment stands is asked of the service.
        """
        if not payment_utils.check_access_token(access_token, reference):
            raise NotFound()
        tx_sudo = (
            request.env["payment.transaction"]
            .sudo()
            .search([("reference", "=", reference), ("provider_code", "=", "quittance")], limit=1)
        )
        if tx_sudo:
            tx_sudo._quittance_come_back(left=bool(left))
        return request.redirect("/payment/status")
