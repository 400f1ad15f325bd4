# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import fields, models

from ..unique import make_unique


class AccountPayment(models.Model):
    _inherit = "account.payment"

    quittance_source = fields.Char(
        "Source at the provider",
        readonly=True,
        copy=False,
        help="The capture, refund or return that this posts: its line in the journal finds it by that.",
    )

    def init(self):
        make_unique(self.env.cr, self._table, "company_id", "quittance_source")
        return super().init()

    def _compute_amount_available_for_refund(self):
        """A refund that came back can be given again."""
        result = super()._compute_amount_available_for_refund()
        for payment in self:
            if payment.payment_transaction_id.sudo().provider_code != "quittance":
                continue
            refunds = self.search([("source_payment_id", "=", payment.id)])
            returned = refunds.filtered(lambda refund: refund.payment_transaction_id.sudo().state == "error")
            payment.amount_available_for_refund += sum(returned.mapped("amount"))
        return result
