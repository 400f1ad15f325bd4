from odoo.exceptions import ValidationError
from odoo.tests import new_test_user, tagged

from ..models.quittance_books import ROLES
from .news_common import NewsCommon


@tagged("post_install", "-at_install")
class TestBooksSetUp(NewsCommon):
    """Set-up finds or makes what bookings need, and refuses what could never balance."""

    def test_set_up_makes_each_account_and_the_journal_of_the_currency(self):
        rows = self.provider.quittance_account_ids
        self.assertEqual(set(rows.mapped("role")), set(ROLES) - {"dispute_losses"})
        self.assertEqual(self.account("fees").name, "Stripe Fees")
        self.assertEqual(self.journal().code, f"ST{self.currency.name}"[:5])
        self.assertEqual(self.provider.journal_id, self.journal())
        self.assertEqual(self.provider.quittance_general_journal_id.type, "general")

    def test_set_up_again_changes_nothing(self):
        self.account("fees")
        own = self.env["account.account"].create(
            {"name": "My fees", "code": "999001", "account_type": "expense", "company_ids": [(4, self.company.id)]}
        )
        row = self.provider.quittance_account_ids.filtered(lambda row: row.role == "fees")
        row.account_id = own
        before = (self.provider.quittance_account_ids, self.provider.quittance_journal_ids)
        self.provider._quittance_set_up_books([self.currency.name])
        self.assertEqual((self.provider.quittance_account_ids, self.provider.quittance_journal_ids), before)
        self.assertEqual(self.account("fees"), own)

    def test_another_currency_gets_a_journal_of_its_own_and_is_activated(self):
        self.provider._quittance_set_up_books(["SEK"])
        krona = self.env.ref("base.SEK")
        self.assertTrue(krona.active)
        self.assertEqual(self.journal(krona).currency_id, krona)
        for direction in ("inbound", "outbound"):
            line = self.journal(krona)._quittance_method_line(direction, self.provider)
            self.assertFalse(line._quittance_problem())

    def test_payments_wait_on_the_outstanding_accounts(self):
        journal = self.journal()
        inbound = journal._quittance_method_line("inbound", self.provider)
        outbound = journal._quittance_method_line("outbound", self.provider)
        self.assertEqual(inbound.payment_account_id, self.account("outstanding_receipts"))
        self.assertEqual(outbound.payment_account_id, self.account("outstanding_payments"))

    def test_an_account_that_cannot_balance_is_refused(self):
        fees, bank = self.account("fees"), self.journal().default_account_id
        rows = {row.role: row for row in self.provider.quittance_account_ids}
        for role, account, word in (
            ("outstanding_receipts", fees, "must be"),
            ("fees", bank, "must be"),
            ("disputes", self.account("opening"), "allow reconciliation"),
        ):
            with self.assertRaisesRegex(ValidationError, word):
                rows[role].account_id = account

    def test_a_payment_method_on_the_journals_own_account_is_refused(self):
        journal = self.journal()
        with self.assertRaisesRegex(ValidationError, "own account"):
            journal.inbound_payment_method_line_ids[:1].payment_account_id = journal.default_account_id

    def test_a_payment_method_on_an_account_without_reconciliation_is_refused_where_odoo_does_not_switch_it_on(self):
        line, account = self.journal().inbound_payment_method_line_ids[:1], self.account("opening")
        try:
            line.payment_account_id = account
        except ValidationError as error:
            self.assertIn("does not allow reconciliation", str(error))
        else:
            self.assertTrue(account.reconcile)

    def test_a_journal_of_another_currency_is_refused(self):
        row = self.provider.quittance_journal_ids
        with self.assertRaisesRegex(ValidationError, "cannot stand for"):
            row.currency_id = self.env.ref("base.SEK")

    def test_a_new_company_gets_a_provider_without_the_first_ones_books(self):
        company = self.env["res.company"].create({"name": "Another"})
        provider = self.env["payment.provider"].search([("code", "=", "quittance"), ("company_id", "=", company.id)])
        self.assertFalse(provider.quittance_account_ids or provider.quittance_journal_ids)
        self.assertFalse(provider.quittance_general_journal_id)

    def test_who_is_no_accounting_manager_cannot_change_the_books(self):
        user = new_test_user(self.env, "clerk", groups="account.group_account_invoice")
        self.assertFalse(self.env["quittance.account"].with_user(user).has_access("write"))
        self.assertFalse(self.env["quittance.message"].with_user(user).has_access("read"))
