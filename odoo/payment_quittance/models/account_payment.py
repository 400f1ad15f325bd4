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
        """A refund that came back can be given again; one whose outcome is not known yet is not there to be given."""
        result = super()._compute_amount_available_for_refund()
        for payment in self:
            transaction = payment.payment_transaction_id.sudo()
            if transaction.provider_code != "quittance":
                continue
            refunds = self.search([("source_payment_id", "=", payment.id)])
            returned = refunds.filtered(lambda refund: refund.payment_transaction_id.sudo().state == "error")
            waiting = transaction.child_transaction_ids.filtered(
                lambda tx: tx.operation == "refund" and tx.state in ("draft", "pending") and not tx.payment_id
            )
            changed = sum(returned.mapped("amount")) + sum(waiting.mapped("amount"))
            payment.amount_available_for_refund = max(0, payment.amount_available_for_refund + changed)
        return result
