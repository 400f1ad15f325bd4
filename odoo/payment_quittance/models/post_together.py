"""What a batch brings, made, posted and reconciled in one go."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import fields, models

# In the context of whoever posts many payments: what Odoo does for each of them is done once.
TOGETHER = "quittance_together"


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    def _quittance_post_together(self):
        """Post-process several transactions, their payments made in one go: Odoo finds them made, and goes on.

        Only of what is plain: a sale order may yet make an invoice, and a discount for early payment is Odoo's to tell.
        """
        plain = self.filtered(lambda tx: tx._quittance_is_plain())
        if plain:
            plain._quittance_pay_all()
        self._post_process()

    def _quittance_is_plain(self):
        if not self._quittance_is_due():
            return False
        source = self.source_transaction_id or self
        if "sale_order_ids" in self._fields and (self.sale_order_ids or source.sale_order_ids):
            return False
        invoices = source.invoice_ids
        if len(invoices) > 1 or any(invoice.state != "posted" for invoice in invoices):
            return False
        return not any(invoice.invoice_payment_term_id.early_discount for invoice in invoices)

    def _quittance_pay_all(self):
        values = [tx._quittance_plain_values() for tx in self]
        # Odoo would read these by themselves, for each payment.
        self.partner_id.commercial_partner_id.mapped("property_account_position_id")
        (self | self.source_transaction_id).invoice_ids.line_ids.mapped("tax_ids")
        # What is new has nothing to track, and its transaction says in the chatter where it came from.
        quiet = {"tracking_disable": True, TOGETHER: True}
        payments = self.env["account.payment"].with_context(**quiet).create(values)
        payments._quittance_make_entries()
        payments.action_post()
        payments = payments.with_env(self.env)
        plan = []
        for tx, payment in zip(self, payments, strict=True):
            tx.payment_id = payment
            invoices = (tx.source_transaction_id or tx).invoice_ids
            items = (payment.move_id.line_ids + invoices.line_ids).filtered(
                lambda line, payment=payment: line.account_id == payment.destination_account_id and not line.reconciled
            )
            if invoices and len(items) > 1:
                plan.append(items)
        if plan:
            self.env["account.move.line"]._reconcile_plan(plan)

    def _quittance_plain_values(self):
        owed = self.invoice_ids.line_ids.filtered(lambda line: line.display_type == "payment_term")
        values = {
            "amount": self.amount,
            "payment_type": "inbound",
            "currency_id": self.currency_id.id,
            "partner_id": self.partner_id.commercial_partner_id.id,
            "partner_type": "customer",
            "company_id": self.company_id.id,
            "journal_id": self.provider_id.journal_id.id,
            "payment_token_id": self.token_id.id,
            "payment_transaction_id": self.id,
            "memo": f"{self.reference} - {self.provider_reference or ''}",
            "invoice_ids": [fields.Command.set(self.invoice_ids.ids)],
            **self._quittance_payment_values(),
        }
        if "payment_method_line_id" not in values:
            line = self.provider_id.journal_id._quittance_method_line("inbound", self.provider_id)
            values["payment_method_line_id"] = line.id
        if owed:
            values["destination_account_id"] = owed[0].account_id.id
        return values


class AccountPayment(models.Model):
    _inherit = "account.payment"

    def _quittance_make_entries(self):
        """Make the entries of payments, and have them known to all payments at once.

        Odoo writes each payment by itself, and looks for all that may depend on it every time.
        """
        self.with_context(quittance_links_later=True)._generate_journal_entry()
        self.env["account.move"].flush_model(["origin_payment_id"])
        self.env.cr.execute(
            "UPDATE account_payment SET move_id = entry.id FROM account_move entry"
            " WHERE entry.origin_payment_id = account_payment.id AND account_payment.id IN %s",
            [tuple(self.ids)],
        )
        self.invalidate_recordset(["move_id"])
        self.modified(["move_id"])

    def write(self, vals):
        if self.env.context.get("quittance_links_later") and "move_id" in vals:
            return True
        return super().write(vals)


class AccountMove(models.Model):
    _inherit = "account.move"

    def _get_next_sequence_format(self):
        """Look once for how payments or lines of one journal and day are numbered: Odoo counts on by itself.

        Looking again for each, it would write each number by itself before.
        """
        is_payment = bool(self.origin_payment_id)
        if not self.env.context.get(TOGETHER) or not (is_payment or self.statement_line_id):
            return super()._get_next_sequence_format()
        # Forgotten where the transaction or the savepoint is rolled back, as Odoo forgets how far it counted.
        formats = self.env.cr.precommit.data.setdefault("quittance_formats", {})
        key = (self.journal_id, self.date, self.move_type, is_payment)
        if key not in formats:
            formats[key] = super()._get_next_sequence_format()
        text, values = formats[key]
        return text, dict(values)


class AccountAnalyticDistributionModel(models.Model):
    _inherit = "account.analytic.distribution.model"

    def _get_applicable_models(self, vals):
        """Look for none for each item where there is none at all."""
        if not self.env.context.get(TOGETHER):
            return super()._get_applicable_models(vals)
        known = self.env.cr.precommit.data.setdefault("quittance_analytic", [])
        if not known:
            known.append(self.search_count([], limit=1))
        return super()._get_applicable_models(vals) if known[0] else self.browse()
