from odoo import api, fields, models

# How a dispute ends; while it is none of these, somebody may still answer.
OVER = ("won", "lost", "closed", "warning_closed", "charge_refunded", "prevented")
ANSWERABLE = ("needs_response", "warning_needs_response")


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
            "amount": provider._quittance_format(dispute["amount_minor"], currency),
            "reason": (dispute.get("reason") or "").replace("_", " "),
            "state": dispute["state"].replace("_", " "),
        }
        note = self.env._("Dispute %(dispute)s of %(reference)s over %(amount)s (%(reason)s): %(state)s.", **words)
        document.message_post(body=note)
        open_ones = provider._quittance_activities(dispute["id"])
        if dispute["state"] in OVER or dispute["state"] not in ANSWERABLE:
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


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    def _quittance_format(self, minor, currency):
        if not currency:
            return str(minor)
        return currency.format(minor / 10 ** currency.decimal_places)
