# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import api, fields, models

from .. import utils

# Where somebody may still send evidence.
ANSWERABLE = ("needs_response", "warning")


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    @api.model
    def _quittance_take_in_dispute(self, provider, dispute):
        """Have somebody answer a dispute until its deadline, and note on the document how it goes."""
        tx = self.search([("reference", "=", dispute.get("reference") or ""), ("provider_id", "=", provider.id)])
        document = tx._quittance_document() if tx else provider.company_id.partner_id
        currency = self.env["res.currency"].with_context(active_test=False).search([("name", "=", dispute["currency"])])
        words = {
            "dispute": dispute.get("provider_reference") or dispute["id"],
            "reference": dispute.get("reference") or "",
            "amount": currency.format(utils.from_minor(dispute["amount_minor"], currency.name)),
            "reason": (dispute.get("reason") or "").replace("_", " "),
            "state": dispute["state"].replace("_", " "),
        }
        note = self.env._("Dispute %(dispute)s of %(reference)s over %(amount)s (%(reason)s): %(state)s.", **words)
        document.message_post(body=note)
        if dispute["state"] not in ANSWERABLE:
            open_ones = provider._quittance_activities(dispute["id"])
            if open_ones:
                open_ones.action_feedback(feedback=note)
            return document
        provider._quittance_raise(
            document,
            subject=dispute["id"],
            summary=self.env._("Answer dispute %(dispute)s of %(reference)s", **words),
            note=note,
            deadline=fields.Date.to_date((dispute.get("due_at") or "")[:10]) or fields.Date.context_today(self),
        )
        return document
