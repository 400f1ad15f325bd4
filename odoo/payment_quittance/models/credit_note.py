# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import utils

# The lines of an invoice that a credit note of ours can take back.
WRITTEN = ("product", "tax", "payment_term", "line_section", "line_subsection", "line_note")


class ByHand(UserError):
    """Only a person can say which sale is taken back."""


class AccountMove(models.Model):
    """Takes back the sale of what a customer got back."""

    _inherit = "account.move"

    @api.model
    def _quittance_take_back(self, refund, paid, item):
        """Have a refund meet credit notes of the invoices that its payment had settled.

        One that is open over just the amount is met: the bookkeeper's own, or one whose refund came back. Else one is
        made. What only a person can say is theirs to do, and they are told.

        :param refund: the transaction
        :param paid: the payments that it gives back of
        :param item: the refund's item on the receivable
        """
        currency = refund.currency_id
        minor = utils.to_minor(-refund.amount, currency.name)
        try:
            with self.env.cr.savepoint():
                for invoice, share in self._quittance_shares(paid, minor, currency):
                    note = invoice._quittance_open_note(share) or invoice._quittance_make_note(share, refund)
                    credits = note._quittance_owed()
                    (item | credits).filtered(lambda line: not line.reconciled).reconcile()
        except ByHand as why:
            refund._quittance_raise(
                summary=self.env._("Make a credit note"),
                note=self.env._(
                    "No credit note was made for %(reference)s: %(why)s Make it by hand, and reconcile it with the"
                    " refund.",
                    reference=refund.reference,
                    why=why,
                ),
                subject=f"credit:{refund.reference}",
            )

    @api.model
    def _quittance_shares(self, paid, minor, currency):
        """How much of a refund each invoice is taken back by, in minor units."""
        items = self.env["account.move.line"].union(*(payment._quittance_customer_item() for payment in paid))
        settled = {}
        for partial in items.matched_debit_ids:
            invoice = partial.debit_move_id.move_id
            if invoice.move_type == "out_invoice":
                met = utils.to_minor(partial.credit_amount_currency, currency.name)
                settled[invoice] = settled.get(invoice, 0) + met
        whole = sum(settled.values())
        if not settled:
            return []
        if whole != sum(utils.to_minor(payment.amount, currency.name) for payment in paid):
            raise ByHand(
                self.env._("the payment settled less than was paid, so that it may be what was paid too much.")
            )
        if minor == whole:
            return list(settled.items())
        if len(settled) > 1:
            raise ByHand(self.env._("of which of several invoices it went back is not said."))
        return [(invoice, minor) for invoice in settled]

    def _quittance_owed(self):
        """The items by which a document's customer owes, or is owed."""
        return self.line_ids.filtered(lambda line: line.account_id.account_type == "asset_receivable")

    def _quittance_open_note(self, minor):
        """An open credit note of this invoice over just an amount."""
        self.ensure_one()
        notes = self.search(
            [("reversed_entry_id", "=", self.id), ("move_type", "=", "out_refund"), ("state", "=", "posted")]
        )
        return notes.filtered(
            lambda note: (
                note.currency_id == self.currency_id
                and utils.to_minor(note.amount_residual, note.currency_id.name) == minor
            )
        )[:1]

    def _quittance_make_note(self, minor, refund):
        """Make a credit note over an amount, its tax corrected to the cent, posted and parted from the invoice."""
        self.ensure_one()
        if self.state != "posted" or self.currency_id != refund.currency_id:
            raise ByHand(self.env._("%s is not posted, or in another currency.", self.name))
        odd = self.line_ids.filtered(lambda line: line.display_type not in WRITTEN)
        if odd:
            raise ByHand(self.env._("%s has lines that no credit note of ours can take back.", self.name))
        date = refund.quittance_booked_on or fields.Date.context_today(self)
        refund.provider_id._quittance_check_lock(date, self.journal_id, has_tax=bool(self.line_ids.tax_ids))
        note = self.create(
            {
                "move_type": "out_refund",
                "partner_id": self.partner_id.id,
                "journal_id": self.journal_id.id,
                "currency_id": self.currency_id.id,
                "fiscal_position_id": self.fiscal_position_id.id,
                "invoice_payment_term_id": False,
                "invoice_date": date,
                "date": date,
                "ref": f"{self.name} {refund.quittance_source or refund.reference}",
                "reversed_entry_id": self.id,
                "invoice_line_ids": [fields.Command.create(values) for values in self._quittance_note_lines(minor)],
            }
        )
        note._quittance_correct(minor)
        note.action_post()
        # Odoo has a credit note meet its invoice where that is open; this one stands for the refund.
        owed = note._quittance_owed()
        if owed.filtered("reconciled") or owed.matched_debit_ids:
            owed.remove_move_reconcile()
        return note

    def _quittance_note_lines(self, minor):
        """The lines of a credit note: the invoice's own where all of it goes back.

        Else one for each set of taxes, account and analytic distribution, with its share.
        """
        lines = self.invoice_line_ids.filtered(lambda line: line.display_type == "product")
        if utils.to_minor(self.amount_total, self.currency_id.name) == minor:
            copied = (
                "product_id", "product_uom_id", "name", "account_id", "quantity", "price_unit", "discount", "tax_ids",
                "analytic_distribution",
            )  # fmt: skip
            return [line._convert_to_write({field: line[field] for field in copied}) for line in lines]
        groups = {}
        for line in lines:
            key = (frozenset(line.tax_ids.ids), line.account_id.id, str(line.analytic_distribution or ""))
            groups[key] = groups.get(key, lines.browse()) | line
        totals = [utils.to_minor(sum(group.mapped("price_total")), self.currency_id.name) for group in groups.values()]
        return [
            self._quittance_note_line(group, share, total)
            for group, share, total in zip(groups.values(), _split(minor, totals), totals, strict=True)
            if share
        ]

    def _quittance_note_line(self, group, share, total):
        taxes = group.tax_ids
        if any(tax.amount_type != "percent" for tax in taxes):
            raise ByHand(self.env._("a tax of %s is not in per cent, and only a part went back.", self.name))
        included = taxes.filtered("price_include")
        if included and included != taxes:
            raise ByHand(self.env._("prices of %s hold some of their taxes and not others.", self.name))
        base = utils.to_minor(sum(group.mapped("price_subtotal")), self.currency_id.name)
        price = share if included else _portion(share, base, total)
        return {
            "name": f"{self.name} ({self.currency_id.format(utils.from_minor(share, self.currency_id.name))})",
            "account_id": group.account_id.id,
            "quantity": 1,
            "price_unit": utils.from_minor(price, self.currency_id.name),
            "tax_ids": [fields.Command.set(taxes.ids)],
            "analytic_distribution": group[0].analytic_distribution,
        }

    def _quittance_correct(self, minor):
        """Move the taxes of a draft by a minor unit each where Odoo's rounding misses the amount, as a person may."""
        short = minor - utils.to_minor(self.amount_total, self.currency_id.name)
        if not short:
            return
        taxes = self.line_ids.filtered("tax_repartition_line_id").sorted(lambda line: -abs(line.amount_currency))
        if len(taxes) < abs(short):
            raise ByHand(self.env._("no credit note of %s comes to that amount to the cent.", self.name))
        cent = utils.from_minor(1, self.currency_id.name) * (1 if short > 0 else -1)
        for line in taxes[: abs(short)]:
            line.amount_currency = self.currency_id.round(line.amount_currency + cent)
        if not utils.to_minor(self.amount_total, self.currency_id.name) == minor:
            raise ByHand(self.env._("no credit note of %s comes to that amount to the cent.", self.name))


def _portion(minor, part, whole):
    """So much of an amount as a part is of a whole, the half away from zero."""
    over = minor * part
    sign = -1 if (over < 0) != (whole < 0) else 1
    return sign * ((2 * abs(over) + abs(whole)) // (2 * abs(whole))) if whole else 0


def _split(minor, weights):
    """An amount in shares as large as weights, to the minor unit."""
    shares, before, given, whole = [], 0, 0, sum(weights)
    for weight in weights:
        before += weight
        until = _portion(minor, before, whole)
        shares.append(until - given)
        given = until
    return shares
