import logging

from odoo import fields, models
from odoo.exceptions import ValidationError

from .. import failures

_logger = logging.getLogger(__name__)


class PaymentToken(models.Model):
    _inherit = "payment.token"

    quittance_customer = fields.Char("Customer at Quittance", readonly=True, copy=False)

    def _handle_archiving(self):
        """Take the method from its customer, so that nobody can charge it any more.

        Where that cannot be done now, the token is archived all the same: Odoo will not use it any more.
        """
        res = super()._handle_archiving()
        for token in self.filtered(lambda token: token.provider_code == "quittance" and token.provider_ref):
            token._quittance_detach()
        return res

    def _quittance_detach(self):
        # Where the method is gone already, as news told, or only the provider was switched off.
        if self.env.context.get("quittance_detached") or self.env.context.get("quittance_keep_methods"):
            return
        provider = self.provider_id
        try:
            provider._quittance_call(
                "POST",
                f"v1/payment_methods/{self.provider_ref}/detach",
                json={},
                key=provider._quittance_key("detach", self.provider_ref),
                reference=self.provider_ref,
            )
        except (ValidationError, failures.OutcomeUnknownError) as error:
            _logger.warning("the method of token %s was archived in Odoo and not detached: %s", self.id, error)
