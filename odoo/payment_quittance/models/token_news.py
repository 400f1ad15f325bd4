# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import api, models

from ..exceptions import Rejected


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    def _quittance_take_in_setup(self, provider, setup):
        """Finish a validation, and keep what the customer saved. Called on transactions that are held, as payments."""
        tx = self._quittance_named(setup.get("reference") or "")
        if tx and (tx.provider_code != "quittance" or tx.company_id != provider.company_id):
            raise Rejected(self.env._("%s is a transaction of another provider or company.", tx.reference))
        if not tx:
            return self._quittance_keep_unasked(provider, setup)
        tx._quittance_process(setup)
        return tx

    @api.model
    def _quittance_keep_unasked(self, provider, setup):
        """Keep a method whose validation Odoo rolled back: the customer did save it."""
        partner = provider._quittance_partner(setup.get("customer") or {})
        method = setup.get("payment_method")
        if setup["state"] != "succeeded" or not partner or not method:
            return self.env["payment.token"]
        return self.env["payment.token"]._quittance_keep(provider, partner, method, setup["customer"].get("id"))


class PaymentToken(models.Model):
    _inherit = "payment.token"

    @api.model
    def _quittance_take_in_method(self, provider, method):
        """Have a token say what its method is now, and archive one that is gone."""
        token = self.with_context(active_test=False).search(
            [("provider_ref", "=", method["id"]), ("provider_id", "=", provider.id)]
        )
        details = self._quittance_details(method)
        if details and token.filtered(lambda each: each.payment_details != details):
            token.payment_details = details
        if method.get("state") != "active":
            # Archiving by the ORM's own way would ask Quittance to detach what it just told is detached.
            token.filtered("active").with_context(quittance_detached=True).active = False
        return token

    @api.model
    def _quittance_keep(self, provider, partner, method, customer):
        """The token of a method, made once."""
        token = self.with_context(active_test=False).search(
            [("provider_ref", "=", method["id"]), ("provider_id", "=", provider.id)], limit=1
        )
        if token or method.get("state") != "active":
            return token
        return self.create(
            {
                "provider_id": provider.id,
                "payment_method_id": provider._quittance_paid_with(method).id,
                "partner_id": partner.id,
                "provider_ref": method["id"],
                "payment_details": self._quittance_details(method),
                "quittance_customer": customer,
            }
        )

    @api.model
    def _quittance_details(self, method):
        return method.get("last4") or ""
