# One file for each concern. pylint: disable=consider-merging-classes-inherited
import logging

from odoo import fields, models

_logger = logging.getLogger(__name__)


class PaymentTransaction(models.Model):
    """What a transaction of ours leaves in the books."""

    _inherit = "payment.transaction"

    def _post_process(self):
        """Post what was captured and refunded, each once and in the journal of its currency."""
        untold = self.filtered(lambda tx: tx._quittance_is_untold())
        if untold:
            return (self - untold)._post_process()
        ours = self.filtered(lambda tx: tx.provider_code == "quittance")
        for tx in ours.filtered(lambda tx: tx._quittance_is_due() and tx.child_transaction_ids):
            # Odoo takes a refund that is done for a capture: it posts nothing of what went back before it was posted.
            tx.with_company(tx.company_id)._create_payment()
        result = super()._post_process()
        refunds = ours.filtered(lambda tx: tx.operation == "refund" and tx.payment_id)
        for refund in refunds.filtered(lambda tx: tx.state == "done"):
            refund._quittance_take_back_sale()
        for refund in refunds.filtered(lambda tx: tx.state == "error"):
            refund._quittance_take_back_refund()
        return result

    def _create_payment(self, **extra_create_values):
        self.ensure_one()
        if self.provider_code == "quittance":
            extra_create_values = {**self._quittance_payment_values(), **extra_create_values}
        return super()._create_payment(**extra_create_values)

    def _quittance_payment_values(self):
        """What a payment of ours is besides what Odoo makes it of itself."""
        self.ensure_one()
        values = {"quittance_source": self.quittance_source or False}
        date = self.quittance_booked_on or fields.Date.context_today(self)
        journal = self.provider_id._quittance_payment_journal(self.currency_id)
        if journal:
            direction = "inbound" if self.amount > 0 else "outbound"
            line = journal._quittance_method_line(direction, self.provider_id)
            values.update(journal_id=journal.id, payment_method_line_id=line.id)
        self.provider_id._quittance_check_lock(date, journal or self.provider_id.journal_id)
        values["date"] = date
        if self.quittance_source:
            values["payment_reference"] = self.quittance_source
        account = self._quittance_receivable()
        if account:
            values["destination_account_id"] = account.id
        return values

    def _quittance_receivable(self):
        """The account on which what a child captures or refunds meets what its source did."""
        source = self.source_transaction_id
        if not source:
            return self.env["account.account"]
        owed = source.invoice_ids.line_ids.filtered(lambda line: line.account_type == "asset_receivable")
        return source._quittance_payments()[:1].destination_account_id or owed[:1].account_id

    def _quittance_payments(self):
        """What was posted of a transaction and of its captures."""
        return (self | self._quittance_parts()).payment_id

    # === What is due === #

    def _quittance_is_due(self):
        """Whether it took money itself, and not by captures of its own, of which nothing is posted."""
        self.ensure_one()
        if self.state != "done" or self.payment_id or self.operation in ("validation", "refund"):
            return False
        return not any(part.state in ("done", "cancel") for part in self._quittance_parts())

    def _quittance_is_untold(self):
        """Whether news has yet to say how much of what was held was taken."""
        return self.quittance_is_held and not self.quittance_source and self._quittance_is_due()

    # === Refunds === #

    def _quittance_take_back_sale(self):
        """Have a refund meet a credit note, where the company wants one."""
        self.ensure_one()
        item = self.payment_id._quittance_customer_item()
        if not self.provider_id.quittance_credit_notes or not item or item.reconciled:
            return
        paid = self.source_transaction_id._quittance_payments()
        self.env["account.move"]._quittance_take_back(self, paid, item)

    def _quittance_take_back_refund(self):
        """Book that a refund came back: the money left and came again, so that the two meet.

        A credit note that the refund had met is open again: it says what is still owed to the customer.
        """
        self.ensure_one()
        refund = self.payment_id
        source = f"{self.quittance_source or refund.quittance_source}_returned"
        known = [("quittance_source", "=", source), ("company_id", "=", refund.company_id.id)]
        if self.env["account.payment"].search_count(known, limit=1):
            return
        date = self.quittance_returned_on or fields.Date.context_today(self.with_context(tz="UTC"))
        self.provider_id._quittance_check_lock(date, refund.journal_id)
        line = refund.journal_id._quittance_method_line("inbound", self.provider_id)
        returned = self.env["account.payment"].create(
            {
                "amount": refund.amount,
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": refund.partner_id.id,
                "currency_id": refund.currency_id.id,
                "company_id": refund.company_id.id,
                "journal_id": refund.journal_id.id,
                "payment_method_line_id": line.id,
                "destination_account_id": refund.destination_account_id.id,
                "date": date,
                "memo": self.env._(
                    "Refund %(reference)s came back (%(refund)s)",
                    reference=self.reference,
                    refund=self.provider_reference or source,
                ),
                "payment_reference": source,
                "quittance_source": source,
            }
        )
        returned.action_post()
        left = refund._quittance_customer_item()
        if left.reconciled:
            left.remove_move_reconcile()
        (left | returned._quittance_customer_item()).reconcile()
        self._quittance_raise(
            summary=self.env._("A refund came back"),
            note=self.env._(
                "%(reference)s over %(amount)s did not reach the customer, and the money is back. What is owed to them"
                " still is.",
                reference=self.reference,
                amount=refund.currency_id.format(refund.amount),
            ),
            subject=source,
        )

    # === Telling people === #

    def _quittance_document(self):
        """What a person looks at who asks about a transaction: the invoice, the order, else the customer."""
        self.ensure_one()
        source = self.source_transaction_id or self
        orders = source.sale_order_ids if "sale_order_ids" in self._fields else self.env["account.move"]
        return source.invoice_ids[:1] or orders[:1] or source.partner_id

    def _quittance_raise(self, summary, note, subject, deadline=None):
        self.ensure_one()
        return self.provider_id._quittance_raise(
            self._quittance_document(), subject=subject, summary=summary, note=note, deadline=deadline
        )

    def _quittance_raise_accounting(self, reason):
        """Tell a person that a transaction is done and not posted; Odoo's own job goes on trying."""
        for tx in self.filtered(lambda tx: not tx.is_post_processed):
            _logger.warning("The accounting of transaction %s waits for Odoo's job", tx.reference)
            tx._quittance_raise(
                summary=self.env._("A payment is not posted"),
                note=self.env._(
                    "%(reference)s is done, and its accounting failed: %(reason)s Odoo tries again.",
                    reference=tx.reference,
                    reason=reason,
                ),
                subject=f"accounting:{tx.reference}",
            )


class AccountPayment(models.Model):
    _inherit = "account.payment"

    def _quittance_customer_item(self):
        """The item by which the customer paid, or got back."""
        return self.move_id.line_ids.filtered(
            lambda line: line.account_id.account_type in ("asset_receivable", "liability_payable")
        )[:1]

    def _quittance_waiting_item(self):
        """The item that waits on Outstanding for its line."""
        return self.move_id.line_ids.filtered(lambda line: line.account_id == self.outstanding_account_id)[:1]
