# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import api, fields, models

from .. import utils
from ..exceptions import Rejected


class AccountPayment(models.Model):
    _inherit = "account.payment"

    @api.model
    def _quittance_take_in_link(self, provider, link):
        """Post what somebody said is a customer's: money that came without a transaction, and what it settles."""
        known = self.search([("quittance_source", "=", link["source"]), ("company_id", "=", provider.company_id.id)])
        if known:
            return known
        currency = self.env["res.currency"].search([("name", "=", link["currency"])])
        if not currency or link["amount_minor"] <= 0:
            raise Rejected(self.env._("%s is no payment in a currency of this Odoo.", link["source"]))
        documents = provider._quittance_documents(link.get("settles") or [])
        invoices = documents.get("account.move", self.env["account.move"])
        owed = invoices._quittance_owed().filtered(lambda line: line.parent_state == "posted" and not line.reconciled)
        journal = provider._quittance_payment_journal(currency) or provider.journal_id
        date = fields.Date.to_date(link["linked_on"])
        provider._quittance_check_lock(date, journal)
        values = {
            "amount": utils.from_minor(link["amount_minor"], currency.name),
            "payment_type": "inbound",
            "partner_type": "customer",
            "partner_id": invoices.partner_id.commercial_partner_id[:1].id,
            "currency_id": currency.id,
            "company_id": provider.company_id.id,
            "journal_id": journal.id,
            "payment_method_line_id": journal._quittance_method_line("inbound", provider).id,
            "date": date,
            "memo": f"{link['reference']} ({link['balance_transaction']})",
            "payment_reference": link["source"],
            "quittance_source": link["source"],
        }
        if owed:
            values["destination_account_id"] = owed[0].account_id.id
        payment = self.create(values)
        payment.action_post()
        items = payment._quittance_customer_item() | owed.filtered(
            lambda line: line.account_id == payment.destination_account_id
        )
        if len(items) > 1:
            items.reconcile()
        return payment
