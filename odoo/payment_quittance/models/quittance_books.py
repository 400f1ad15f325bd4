# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..exceptions import Rejected
from ..unique import make_unique

EXPENSES = ("expense", "expense_other", "expense_direct_cost")
CURRENT = ("asset_current",)
HELD = ("asset_current", "liability_current")

# What each role is: its label, its name in the chart behind the provider's, the types it may have (the first is what it
# is made of), whether its items must be able to meet, and beside which account of the company it gets its code.
ROLES = {
    "outstanding_receipts": ("Outstanding receipts", "Outstanding Receipts", CURRENT, True, "transfer"),
    "outstanding_payments": ("Outstanding payments", "Outstanding Payments", CURRENT, True, "transfer"),
    "fees": ("Fees", "Fees", EXPENSES, False, "loss"),
    "fee_tax": ("Tax on fees", "Fee Tax", HELD, False, "transfer"),
    "disputes": ("Disputes", "Disputes", CURRENT, True, "transfer"),
    "dispute_fees": ("Dispute fees", "Dispute Fees", EXPENSES, False, "loss"),
    "dispute_losses": ("Dispute losses", "Dispute Losses", EXPENSES, False, "loss"),
    "fx": ("Exchange", "Exchange Difference", ("expense", "expense_other", "income", "income_other"), False, "loss"),
    "in_transit": ("Payouts in transit", "Payouts in Transit", CURRENT, True, "transfer"),
    "reserve": ("Reserve", "Reserve", CURRENT, True, "transfer"),
    "transfers": ("Transfers", "Transfers", HELD, True, "transfer"),
    "financing": ("Financing", "Financing", ("liability_current", "liability_non_current"), False, None),
    "contributions": ("Contributions", "Contributions", EXPENSES, False, "loss"),
    "issuing": ("Card spending", "Card Spending", ("asset_current", "expense"), False, "transfer"),
    "opening": ("Opening balance", "Opening Balance", ("asset_current", "equity"), False, "transfer"),
}

# What the company has for a role already.
OF_COMPANY = {"in_transit": "transfer_account_id", "fx": "expense_currency_exchange_account_id"}

NAME = "Stripe"


class QuittanceAccount(models.Model):
    """Which account of the company's chart stands for an account of Quittance's ledger."""

    _name = "quittance.account"
    _description = "Account of Quittance's ledger"
    _rec_name = "role"
    _order = "provider_id, id"
    _check_company_auto = True

    provider_id = fields.Many2one("payment.provider", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="provider_id.company_id", store=True)
    role = fields.Selection([(role, spec[0]) for role, spec in ROLES.items()], required=True)
    account_id = fields.Many2one("account.account", required=True, check_company=True, ondelete="restrict")

    def init(self):
        make_unique(self.env.cr, self._table, "provider_id", "role")

    @api.constrains("role", "account_id")
    def _check_account(self):
        for row in self:
            row._check_fits()

    def _check_fits(self):
        """Refuse an account on which this role could never balance."""
        _label, _name, kinds, must_meet, _beside = ROLES[self.role]
        account, types = self.account_id, self.env["account.account"]._fields["account_type"]
        words = {"account": account.display_name, "role": ROLES[self.role][0]}
        if account.account_type not in kinds:
            labels = dict(types._description_selection(self.env))
            raise ValidationError(
                self.env._(
                    "%(account)s cannot stand for %(role)s: it is of type %(type)s and must be %(kinds)s.",
                    type=labels[account.account_type],
                    kinds=self.env._(" or ").join(labels[kind] for kind in kinds if kind in labels),
                    **words,
                )
            )
        if must_meet and not account.reconcile:
            raise ValidationError(
                self.env._(
                    "%(account)s cannot stand for %(role)s: allow reconciliation on it, so that its items can meet.",
                    **words,
                )
            )
        if self.env["account.journal"].search_count([("default_account_id", "=", account.id)], limit=1):
            raise ValidationError(
                self.env._("%(account)s cannot stand for %(role)s: it is a journal's own account.", **words)
            )


class QuittanceJournal(models.Model):
    """Which bank journal stands for what the provider holds in a currency."""

    _name = "quittance.journal"
    _description = "Journal of a balance at the provider"
    _rec_name = "journal_id"
    _order = "provider_id, id"
    _check_company_auto = True

    provider_id = fields.Many2one("payment.provider", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="provider_id.company_id", store=True)
    currency_id = fields.Many2one("res.currency", required=True, ondelete="restrict")
    journal_id = fields.Many2one(
        "account.journal", required=True, check_company=True, domain="[('type', '=', 'bank')]", ondelete="restrict"
    )

    def init(self):
        make_unique(self.env.cr, self._table, "provider_id", "currency_id")
        make_unique(self.env.cr, self._table, "journal_id")

    @api.constrains("currency_id", "journal_id")
    def _check_journal(self):
        for row in self:
            journal, currency = row.journal_id, row.currency_id
            holds = journal.currency_id or journal.company_id.currency_id
            if journal.type != "bank" or not journal.default_account_id:
                raise ValidationError(
                    self.env._("%s is no bank journal with an account of its own.", journal.display_name)
                )
            if holds != currency:
                raise ValidationError(
                    self.env._(
                        "%(journal)s holds %(holds)s and cannot stand for %(currency)s.",
                        journal=journal.display_name,
                        holds=holds.name,
                        currency=currency.name,
                    )
                )
            journal._quittance_check_method_lines()


class AccountJournal(models.Model):
    _inherit = "account.journal"

    def _quittance_is_mapped(self):
        return bool(self.env["quittance.journal"].sudo().search_count([("journal_id", "in", self.ids)], limit=1))

    def _quittance_method_line(self, direction, provider):
        """The method by which payments of a direction wait for their line: the provider's own, else the first."""
        self.ensure_one()
        lines = self[f"{direction}_payment_method_line_ids"]
        own = lines.filtered(lambda line: line.payment_provider_id == provider)
        line = (own or lines.filtered(lambda line: not line.payment_provider_id) or lines)[:1]
        if not line:
            raise Rejected(
                self.env._(
                    "%(journal)s has no %(direction)s payment method.", journal=self.display_name, direction=direction
                )
            )
        return line

    def _quittance_check_method_lines(self):
        """Refuse payment methods by which nothing can wait for its line."""
        for journal in self:
            lines = journal.inbound_payment_method_line_ids | journal.outbound_payment_method_line_ids
            for line in lines:
                line._quittance_check_account()


class AccountPaymentMethodLine(models.Model):
    _inherit = "account.payment.method.line"

    @api.constrains("payment_account_id", "journal_id")
    def _check_quittance_account(self):
        for line in self:
            if line.journal_id and line.journal_id._quittance_is_mapped() and line.payment_account_id:
                line._quittance_check_account()

    def _quittance_problem(self):
        """What keeps payments by this method from waiting for their line; nothing where they can."""
        account, journal = self.payment_account_id, self.journal_id
        words = {"method": self.name, "journal": journal.display_name, "account": account.display_name}
        if not account:
            return self.env._("Payments by %(method)s of %(journal)s wait on no outstanding account.", **words)
        if account == journal.default_account_id:
            return self.env._(
                "Payments by %(method)s of %(journal)s would go to the journal's own account %(account)s, where their"
                " line counts them again: give it an outstanding account.",
                **words,
            )
        if not account.reconcile:
            return self.env._(
                "Payments by %(method)s of %(journal)s wait on %(account)s, which does not allow reconciliation.",
                **words,
            )
        return None

    def _quittance_check_account(self):
        problem = self._quittance_problem()
        if problem:
            raise ValidationError(problem)


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    quittance_account_ids = fields.One2many("quittance.account", "provider_id", string="Accounts")
    quittance_journal_ids = fields.One2many("quittance.journal", "provider_id", string="Journals")
    quittance_general_journal_id = fields.Many2one(
        "account.journal",
        string="Journal of entries",
        copy=False,
        check_company=True,
        domain="[('type', '=', 'general')]",
        help="Takes what moves nothing at the provider, as a dispute that was lost.",
    )
    quittance_bank_journal_id = fields.Many2one(
        "account.journal",
        string="Bank of payouts",
        copy=False,
        check_company=True,
        domain="[('type', '=', 'bank')]",
        help="Where the bank's side of a payout is written too. Leave empty where the bank's feed brings it.",
    )
    quittance_credit_notes = fields.Boolean(
        "Credit notes for refunds", help="A refund takes back the sale as well, and meets its credit note."
    )
    quittance_lost_disputes = fields.Selection(
        [("reopen", "The customer owes it again"), ("write_off", "An expense")],
        string="Lost disputes",
        default="reopen",
        required=True,
    )

    # === Finding one's way in the books === #

    def _quittance_account(self, role):
        """The account of a role, or a refusal that says what to do."""
        self.ensure_one()
        row = self.quittance_account_ids.filtered(lambda row: row.role == role)
        if not row:
            raise Rejected(
                self.env._("No account stands for %s: set up the books on the provider's form.", role.replace("_", " "))
            )
        return row.account_id

    def _quittance_journal(self, currency):
        """The journal of what the provider holds in a currency; empty where none is mapped."""
        self.ensure_one()
        return self.quittance_journal_ids.filtered(lambda row: row.currency_id == currency).journal_id

    def _quittance_payment_journal(self, currency):
        """The journal of payments in a currency: its own, else the first there is."""
        return self._quittance_journal(currency) or self.quittance_journal_ids[:1].journal_id

    def _quittance_check_lock(self, date, journal, has_tax=False):
        """Refuse a day that is locked: Odoo would move what is dated so without a word."""
        company = self.company_id
        locks = company._get_violated_lock_dates(date, has_tax, journal)
        if locks:
            raise Rejected(
                self.env._(
                    "%(date)s is locked in %(company)s: %(locks)s",
                    date=fields.Date.to_string(date),
                    company=company.name,
                    locks=", ".join(
                        f"{company._fields[field].string} {fields.Date.to_string(lock)}" for lock, field in locks
                    ),
                )
            )

    # === Set-up === #

    def _quittance_keep_connection(self, answer):
        """Set up the books in the currencies that the provider settles in, if the company has a chart of accounts."""
        result = super()._quittance_keep_connection(answer)
        own = [("company_ids", "in", self.company_id.ids)]
        if self.env["account.account"].sudo().search_count(own, limit=1):
            self.sudo()._quittance_set_up_books(answer.get("currencies"))
        return result

    def action_quittance_set_up_books(self):
        """Find or make what is missing in the books, for the currencies that are mapped and the company's own."""
        self.ensure_one()
        if not self.env.user.has_group("account.group_account_manager"):
            raise UserError(self.env._("Setting up the books needs the rights of an accounting administrator."))
        self.sudo()._quittance_set_up_books()

    def _quittance_set_up_books(self, currencies=None):
        """Find or make the accounts and journals that bookings go to. Safe to repeat; changes nothing that was mapped.

        :param currencies: the codes of those that the provider settles in; the company's own where none is told
        """
        self.ensure_one()
        provider = self.with_company(self.company_id)
        for role in provider._quittance_roles():
            if role not in provider.quittance_account_ids.mapped("role"):
                account = provider._quittance_find_account(role) or provider._quittance_make_account(role)
                provider.env["quittance.account"].create(
                    {"provider_id": provider.id, "role": role, "account_id": account.id}
                )
        if not provider.quittance_general_journal_id:
            provider.quittance_general_journal_id = provider.env["account.journal"].search(
                [("type", "=", "general"), ("company_id", "=", provider.company_id.id)], limit=1
            )
        own = provider.company_id.currency_id.name
        for code in dict.fromkeys([own] if not currencies else sorted(currencies, key=lambda code: code != own)):
            provider._quittance_set_up_journal(code)
        main = provider._quittance_payment_journal(provider.company_id.currency_id)
        if main and provider.journal_id != main:
            provider.journal_id = main
            own = main.inbound_payment_method_line_ids.filtered(lambda line: line.payment_provider_id == provider)
            own.payment_account_id = provider._quittance_account("outstanding_receipts")
        for journal in provider.quittance_journal_ids.journal_id:
            provider._quittance_set_up_methods(journal)

    def _quittance_roles(self):
        writes_off = self.quittance_lost_disputes == "write_off"
        return [role for role in ROLES if role != "dispute_losses" or writes_off]

    def _quittance_find_account(self, role):
        """What the company has for a role: its own, or what another provider of it maps."""
        if role in OF_COMPANY:
            account = self.company_id[OF_COMPANY[role]]
            fits = account.account_type in ROLES[role][2] and (account.reconcile or not ROLES[role][3])
            if fits:
                return account
        rows = self.env["quittance.account"].search(
            [("role", "=", role), ("company_id", "=", self.company_id.id)], limit=1
        )
        return rows.account_id

    def _quittance_make_account(self, role):
        _label, name, kinds, must_meet, beside = ROLES[role]
        accounts = self.env["account.account"]
        return accounts.create(
            {
                "name": f"{NAME} {name}",
                "code": accounts._search_new_account_code(self._quittance_code_beside(beside, kinds[0])),
                "account_type": kinds[0],
                "reconcile": must_meet,
                "company_ids": [fields.Command.link(self.company_id.id)],
            }
        )

    def _quittance_code_beside(self, beside, kind):
        """The code behind which a new account is at home."""
        company = self.company_id
        neighbours = {
            "transfer": company.transfer_account_id or company.account_journal_suspense_account_id,
            "loss": company.expense_currency_exchange_account_id,
        }
        neighbour = neighbours.get(beside) or self.env["account.account"].search(
            [("account_type", "=", kind), ("company_ids", "in", company.ids)], limit=1
        )
        return neighbour.code or "100000"

    def _quittance_set_up_journal(self, code):
        """The journal of a currency, activated where it is not in use yet."""
        currency = self.env["res.currency"].with_context(active_test=False).search([("name", "=", code)], limit=1)
        if not currency:
            raise UserError(self.env._("Odoo has no currency %s.", code))
        if not currency.active:
            currency.active = True
        if self._quittance_journal(currency):
            return
        is_own = currency == self.company_id.currency_id
        journal = self.env["account.journal"].create(
            {
                "name": f"{NAME} {code}",
                "code": self._quittance_free_journal_code(code),
                "type": "bank",
                "company_id": self.company_id.id,
                "currency_id": False if is_own else currency.id,
            }
        )
        self._quittance_set_up_methods(journal)
        self.env["quittance.journal"].create(
            {"provider_id": self.id, "currency_id": currency.id, "journal_id": journal.id}
        )

    def _quittance_free_journal_code(self, code):
        taken = set(
            self.env["account.journal"]
            .with_context(active_test=False)
            .search([("company_id", "=", self.company_id.id)])
            .mapped("code")
        )
        wanted = f"ST{code}"[:5]
        numbered = (f"{wanted[:4]}{number}" for number in range(2, 10))
        return next((free for free in (wanted, *numbered) if free not in taken), None) or self.env[
            "account.journal"
        ].get_next_bank_cash_default_code("bank", self.company_id)

    def _quittance_set_up_methods(self, journal):
        """Have payment methods that wait nowhere, or where nothing can meet them, wait on the outstanding accounts."""
        for direction, role in (("inbound", "outstanding_receipts"), ("outbound", "outstanding_payments")):
            for line in journal[f"{direction}_payment_method_line_ids"]:
                if line._quittance_problem():
                    line.payment_account_id = self._quittance_account(role)
