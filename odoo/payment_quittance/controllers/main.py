from werkzeug.exceptions import NotFound

from odoo import http
from odoo.http import request
from odoo.tools import consteq

from ..models.payment_transaction import RETURN_ROUTE


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
