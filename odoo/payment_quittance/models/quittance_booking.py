from odoo import api, fields, models

from .. import utils
from ..exceptions import Rejected
from .post_together import TOGETHER


class QuittanceBooking(models.AbstractModel):
    """Writes transactions of Quittance's ledger into the books.

    A booking with a part on the provider's balance is a line of the journal that stands for it, one with a part on the
    bank a line of the bank's journal, and any other an entry of the general journal. Each is written once under its
    source, dated as it was told, and meets what waits for it.
    """

    _name = "quittance.booking"
    _description = "Booking of Quittance"

    @api.model
    def _write_down(self, provider, bookings):
        """Write several, as one.

        :return: what each became, in their order: nothing where the bank's feed writes it
        """
        moves = self.env["account.move"]
        sources = [booking["source"] for booking in bookings]
        known = moves.search([("quittance_source", "in", sources), ("company_id", "=", provider.company_id.id)])
        written = {move.quittance_source: move for move in known}
        payments = self._find_payments(provider, bookings)
        drafts = {
            booking["source"]: self._draft(provider, booking, payments)
            for booking in bookings
            if booking["source"] not in written
        }
        drafts = {source: draft for source, draft in drafts.items() if draft}
        written.update(self._create(drafts))
        for source, draft in drafts.items():
            self._check(draft, written[source])
        self._meet(provider, [(draft, written[source]) for source, draft in drafts.items()])
        return [self._record(written.get(source, moves)) for source in sources]

    @api.model
    def _record(self, move):
        return move.statement_line_id or move

    # === Drafts === #

    @api.model
    def _draft(self, provider, booking, payments):
        """What a booking is written as; nothing where the bank's feed writes it."""
        journal, home = self._home(provider, booking)
        if not journal:
            return None
        date = fields.Date.to_date(booking["date"])
        provider._quittance_check_lock(date, journal)
        waiting = self._waiting_payment(booking, payments)
        debt = self._debt(provider, booking, payments)
        partner = (waiting or debt).partner_id
        values = self._values(provider, booking, date)
        lines = []
        for part, value in zip(booking["parts"], values, strict=True):
            account = self._account(provider, journal, home, part, waiting, debt)
            currency = self._currency(part["currency"])
            lines.append(
                {
                    "account_id": account.id,
                    "name": booking["label"],
                    "amount_currency": utils.from_minor(part["amount_minor"], currency.name),
                    "currency_id": currency.id,
                    "balance": value,
                    "partner_id": partner.id,
                }
            )
        return {
            "booking": booking,
            "home": home,
            "journal": journal,
            "date": date,
            "partner": partner,
            "lines": lines,
            "waiting": waiting,
            "debt": debt,
        }

    @api.model
    def _home(self, provider, booking):
        """The journal of a booking, and the account of the ledger that the journal's own account is."""
        currency = self._currency(booking["currency"])
        if self._has(booking, "provider_balance"):
            journal = provider._quittance_journal(currency)
            if not journal:
                raise Rejected(
                    self.env._("No journal stands for %s: set up the books on the provider's form.", currency.name)
                )
            return journal, "provider_balance"
        if self._has(booking, "bank"):
            bank = provider.quittance_bank_journal_id
            holds = bank.currency_id or bank.company_id.currency_id
            return (bank if holds == currency else bank.browse()), "bank"
        if not provider.quittance_general_journal_id:
            raise Rejected(self.env._("No journal takes entries: choose one on the provider's form."))
        return provider.quittance_general_journal_id, None

    @api.model
    def _account(self, provider, journal, home, part, waiting, debt):
        """The account that a part goes to."""
        role = part["account"]
        if role == home:
            return journal.default_account_id
        if role == "receivable_clearing":
            if waiting:
                return waiting.account_id
            return provider._quittance_account(
                "outstanding_receipts" if part["amount_minor"] < 0 else "outstanding_payments"
            )
        if role == "dispute_losses" and debt:
            return debt.account_id
        if role == "suspense":
            suspense = journal.suspense_account_id or provider.quittance_journal_ids[:1].journal_id.suspense_account_id
            return suspense or provider.company_id.account_journal_suspense_account_id
        return provider._quittance_account("in_transit" if role == "bank" else role)

    @api.model
    def _values(self, provider, booking, date):
        """What each part is worth in the company's currency: by Odoo's rate of the day where the journal's is another.

        What is in the company's currency is worth what it is, and the largest of the others takes what is left, so that
        they sum to zero.
        """
        company = provider.company_id
        own, journal = company.currency_id, self._currency(booking["currency"])
        if own == journal:
            return [utils.from_minor(part["value_minor"], own.name) for part in booking["parts"]]
        rates = [("currency_id", "in", (own | journal).ids), ("company_id", "in", (False, company.root_id.id))]
        if not self.env["res.currency.rate"].search_count([*rates, ("name", "<=", date)], limit=1):
            raise Rejected(
                self.env._(
                    "Odoo has no rate between %(currency)s and %(own)s on %(date)s.",
                    currency=journal.name,
                    own=own.name,
                    date=booking["date"],
                )
            )
        values, others = [], []
        for place, part in enumerate(booking["parts"]):
            if part["currency"] == own.name:
                values.append(utils.from_minor(part["amount_minor"], own.name))
            else:
                others.append(place)
                values.append(journal._convert(utils.from_minor(part["value_minor"], journal.name), own, company, date))
        if others:
            largest = max(others, key=lambda place: abs(values[place]))
            values[largest] = own.round(values[largest] - sum(values))
        return values

    # === Records === #

    @api.model
    def _create(self, drafts):
        """The moves of drafts, by their sources. What is new has nothing to track."""
        quiet = self.with_context(**{"tracking_disable": True, TOGETHER: True}).env
        lines = {source: draft for source, draft in drafts.items() if draft["home"]}
        entries = {source: draft for source, draft in drafts.items() if not draft["home"]}
        written = {}
        if lines:
            records = quiet["account.bank.statement.line"].create(
                [self._line_values(draft) for draft in lines.values()]
            )
            written.update(zip(lines, records.with_env(self.env).mapped(lambda record: record.move_id), strict=True))
        if entries:
            moves = quiet["account.move"].create([self._entry_values(draft) for draft in entries.values()])
            moves.action_post()
            written.update(zip(entries, moves.with_env(self.env), strict=True))
        return written

    @api.model
    def _line_values(self, draft):
        booking, own_account = draft["booking"], draft["journal"].default_account_id
        own = [line for line in draft["lines"] if line["account_id"] == own_account.id]
        journal_currency = self._currency(booking["currency"])
        foreign = next((line for line in draft["lines"] if line["currency_id"] != journal_currency.id), None)
        values = {
            "journal_id": draft["journal"].id,
            "date": draft["date"],
            "payment_ref": booking["label"],
            "ref": booking["source"],
            "amount": own[0]["amount_currency"],
            "partner_id": draft["partner"].id,
            "quittance_source": booking["source"],
            "line_ids": [fields.Command.create(line) for line in draft["lines"]],
        }
        if foreign:
            values["foreign_currency_id"] = foreign["currency_id"]
            values["amount_currency"] = -foreign["amount_currency"]
        return values

    @api.model
    def _entry_values(self, draft):
        booking = draft["booking"]
        return {
            "move_type": "entry",
            "journal_id": draft["journal"].id,
            "date": draft["date"],
            "ref": f"{booking['label']} ({booking['source']})",
            "quittance_source": booking["source"],
            "line_ids": [fields.Command.create(line) for line in draft["lines"]],
        }

    @api.model
    def _check(self, draft, move):
        """Say what did not become what it was told as."""
        if move.state != "posted" or move.date != draft["date"] or len(move.line_ids) != len(draft["lines"]):
            raise Rejected(
                self.env._(
                    "Odoo did not keep %(name)s as it was told: it is %(state)s and dated %(date)s.",
                    name=draft["booking"]["source"],
                    state=move.state,
                    date=fields.Date.to_string(move.date),
                )
            )

    # === What waits === #

    @api.model
    def _find_payments(self, provider, bookings):
        """The posted payments that bookings name, by their sources."""
        names = [booking["meets"] for booking in bookings if booking.get("meets") and not self._has(booking, "bank")]
        if not names:
            return {}
        payments = self.env["account.payment"].search(
            [("quittance_source", "in", names), ("company_id", "=", provider.company_id.id)]
        )
        return {payment.quittance_source: payment for payment in payments if payment.move_id.state == "posted"}

    @api.model
    def _waiting_payment(self, booking, payments):
        """The item on Outstanding that a booking meets."""
        items = self.env["account.move.line"]
        if not booking.get("meets") or not self._has(booking, "receivable_clearing"):
            return items
        payment = payments.get(booking["meets"])
        if not payment:
            raise Rejected(self.env._("No posted payment of %s is in Odoo, which this meets.", booking["meets"]))
        return payment._quittance_waiting_item()

    @api.model
    def _debt(self, provider, booking, payments):
        """What the customer had paid and owes again, where that is how lost disputes go."""
        items = self.env["account.move.line"]
        is_reopened = provider.quittance_lost_disputes == "reopen"
        if not is_reopened or not booking.get("meets") or not self._has(booking, "dispute_losses"):
            return items
        payment = payments.get(booking["meets"])
        if not payment:
            raise Rejected(self.env._("No posted payment of %s is in Odoo, which was disputed.", booking["meets"]))
        return payment._quittance_customer_item()

    # === Meeting === #

    @api.model
    def _meet(self, provider, written):
        """Reconcile what was written with what waited for it."""
        plan, expected = [], []
        for draft, move in written:
            booking = draft["booking"]
            if draft["waiting"]:
                own = self._own(move, draft["waiting"].account_id, self._part(booking, "receivable_clearing"))
                plan.append(own | draft["waiting"])
                expected.append((booking, own))
        if plan:
            self.env["account.move.line"]._reconcile_plan(plan)
        for booking, own in expected:
            if not own.reconciled:
                raise Rejected(self.env._("Only a part of %s met what it names.", booking["source"]))
        for draft, move in written:
            booking = draft["booking"]
            if self._has(booking, "bank"):
                self._meet_line(provider, booking, move, "in_transit", is_needed=bool(booking.get("meets")))
            if self._has(booking, "dispute_losses"):
                self._meet_line(provider, booking, move, "disputes", is_needed=False)
                self._owe_again(draft, move)

    @api.model
    def _meet_line(self, provider, booking, move, role, is_needed):
        """Reconcile an item of a booking with that of a line of the journal that is about the same."""
        part = self._part(booking, role)
        if not part:
            return
        account = provider._quittance_account(role)
        own = self._own(move, account, part)
        candidates = self.env["account.move.line"].search(
            [
                ("account_id", "=", account.id),
                ("journal_id", "in", provider.quittance_journal_ids.journal_id.ids),
                ("name", "=", booking["label"]),
                ("parent_state", "=", "posted"),
                ("reconciled", "=", False),
            ]
        )
        met = candidates.filtered(
            lambda line: (
                line.currency_id == own.currency_id
                and line.currency_id.is_zero(line.amount_currency + own.amount_currency)
            )
        )[:1]
        if met:
            (own | met).reconcile()
        elif is_needed:
            raise Rejected(self.env._("The line of %s, which this meets, is not in Odoo.", booking["label"]))

    @api.model
    def _owe_again(self, draft, move):
        """Open the invoice again, where a dispute took the whole of what a customer had paid.

        Of a part the customer owes that part, and the invoice stays as it is.
        """
        paid = draft["debt"]
        if not paid:
            return
        own = self._own(move, paid.account_id, self._part(draft["booking"], "dispute_losses"))
        is_whole = own.currency_id == paid.currency_id and paid.currency_id.is_zero(
            own.amount_currency + paid.amount_currency
        )
        if is_whole:
            paid.remove_move_reconcile()
            (own | paid).reconcile()

    @api.model
    def _own(self, move, account, part):
        currency = self._currency(part["currency"])
        return move.line_ids.filtered(
            lambda line: (
                line.account_id == account
                and line.currency_id == currency
                and utils.to_minor(line.amount_currency, currency.name) == part["amount_minor"]
            )
        )[:1]

    # === Reading === #

    @api.model
    def _part(self, booking, role):
        return next((part for part in booking["parts"] if part["account"] == role), None)

    @api.model
    def _has(self, booking, role):
        return self._part(booking, role) is not None

    @api.model
    def _currency(self, code):
        """The currency of a code, looked for once in a transaction of Postgres."""
        known = self.env.cr.cache.setdefault("quittance_currencies", {})
        if code not in known:
            found = self.env["res.currency"].with_context(active_test=False).search([("name", "=", code)], limit=1)
            if not found:
                raise Rejected(self.env._("Odoo has no currency %s.", code))
            known[code] = found.id
        return self.env["res.currency"].browse(known[code])
