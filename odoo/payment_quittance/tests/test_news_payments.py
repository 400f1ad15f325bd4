from datetime import date, timedelta
from unittest.mock import patch

from odoo import api, fields
from odoo.exceptions import UserError
from odoo.sql_db import db_connect
from odoo.tests import tagged
from odoo.tools import mute_logger

from .news_common import TODAY, NewsCommon

NEWS_LOGGER = "odoo.addons.payment_quittance.models.quittance_news"


@tagged("post_install", "-at_install")
class TestNewsPayments(NewsCommon):
    """A payment's news, each once and about the right money."""

    # === Once === #

    def test_a_declined_payment_is_in_error_until_it_is_paid(self):
        tx = self.transaction("TX-D")
        self.tell(self.payment("TX-D", state="processing"))
        self.assertEqual(tx.state, "pending")
        decline = {"code": "insufficient_funds", "message": "Your card has insufficient funds."}
        self.tell(self.payment("TX-D", state="created", odoo_state="pending", decline=decline, version=2))
        self.assertEqual((tx.state, tx.state_message), ("error", "Your card has insufficient funds."))
        self.tell(self.payment("TX-D", version=3))
        self.assertEqual((tx.state, tx.is_post_processed), ("done", True))

    def test_the_same_message_again_is_a_duplicate_and_changes_nothing(self):
        invoice = self.invoice()
        self.transaction("P-A", invoice=invoice)
        message = self.message("payment.updated", self.payment("P-A"))
        first = self.take_in(message)[0]
        payments = self.env["account.payment"].search_count([])
        second = self.take_in(message)[0]
        self.assertEqual((first["result"], second["result"]), ("applied", "duplicate"))
        self.assertEqual(first["records"], second["records"])
        self.assertEqual(self.env["account.payment"].search_count([]), payments)

    def test_an_older_version_is_stale_in_whatever_order_they_come(self):
        tx = self.transaction("P-B")
        self.tell(self.payment("P-B", version=5))
        held = self.payment("P-B", version=3, state="processing")
        self.assertEqual(self.take_in(self.message("payment.updated", held))[0]["result"], "stale")
        again = self.payment("P-B", version=5)
        self.assertEqual(self.take_in(self.message("payment.updated", again))[0]["result"], "stale")
        self.assertEqual(tx.state, "done")

    def test_a_failure_leaves_no_message_so_that_it_can_be_sent_again(self):
        message = self.message("payment.updated", self.payment("P-C", minor=999))
        tx = self.transaction("P-C")
        self.assertEqual(self.take_in(message)[0]["result"], "rejected")
        message["payment"] = self.payment("P-C")
        self.assertEqual(self.take_in(message)[0]["result"], "applied")
        self.assertEqual(tx.state, "done")

    def test_old_messages_go_but_not_what_says_what_is_stale(self):
        self.transaction("P-D")
        for version in (1, 2):
            self.tell(self.payment("P-D", version=version, state="processing"))
        messages = self.env["quittance.message"].sudo().search([("subject", "=", "pay_pd")])
        messages.applied_at = fields.Datetime.now() - timedelta(days=91)
        messages.flush_recordset()
        self.env["quittance.message"]._gc_messages()
        self.env.invalidate_all()
        self.assertEqual(messages.exists().version, 2)

    # === At the same time === #

    def test_while_another_transaction_applies_the_same_payment_it_is_later(self):
        self.transaction("P-E")
        message = self.message("payment.updated", self.payment("P-E"))
        with db_connect(self.env.cr.dbname).cursor() as other:
            self.news.with_env(self.env(cr=other))._lock("pay_pe")
            self.assertEqual(self.take_in(message)[0]["result"], "later")
            other.rollback()
        self.assertEqual(self.take_in(message)[0]["result"], "applied")

    def test_while_another_batch_of_the_company_is_applied_all_of_this_one_is_later_and_nothing_was_done(self):
        tx = self.transaction("P-V")
        messages = [self.message("payment.updated", self.payment(name)) for name in ("P-V", "P-W")]
        with db_connect(self.env.cr.dbname).cursor() as other:
            self.assertTrue(self.news.with_env(self.env(cr=other))._has_books(self.provider))
            self.assertEqual([result["result"] for result in self.take_in(*messages)], ["later", "later"])
            self.assertEqual(tx.state, "draft")
            other.rollback()
        self.assertEqual(self.take_in(messages[0])[0]["result"], "applied")

    def test_what_brings_no_entry_is_applied_while_another_batch_of_the_company_writes_some(self):
        held = self.transaction("P-X1")
        authorized = self.payment("P-X1", state="authorized", capture_method="manual", captures=[])
        messages = [self.message("payment.updated", told) for told in (authorized, self.payment("P-X2"))]
        with db_connect(self.env.cr.dbname).cursor() as other:
            self.assertTrue(self.news.with_env(self.env(cr=other))._has_books(self.provider))
            self.assertEqual([result["result"] for result in self.take_in(*messages)], ["applied", "later"])
            other.rollback()
        self.assertEqual(held.state, "authorized")

    def test_one_payment_that_another_transaction_applies_holds_up_nothing_of_its_batch(self):
        self.transaction("P-Y1")
        self.transaction("P-Y2")
        messages = [self.message("payment.updated", self.payment(name)) for name in ("P-Y1", "P-Y2")]
        with db_connect(self.env.cr.dbname).cursor() as other:
            self.news.with_env(self.env(cr=other))._lock("pay_py1")
            self.assertEqual([result["result"] for result in self.take_in(*messages)], ["later", "applied"])
            other.rollback()

    def test_of_two_versions_in_one_batch_the_older_one_is_stale(self):
        tx = self.transaction("P-Z")
        told = [self.payment("P-Z", version=3), self.payment("P-Z", version=2, state="processing")]
        results = self.take_in(*(self.message("payment.updated", each) for each in told))
        self.assertEqual([result["result"] for result in results], ["applied", "stale"])
        self.assertEqual(tx.state, "done")

    def test_a_transaction_whose_row_is_held_is_later_at_once(self):
        database = db_connect(self.env.cr.dbname)
        with database.cursor() as cr:
            env = api.Environment(cr, api.SUPERUSER_ID, {})
            provider = env.ref("payment_quittance.payment_provider_quittance")
            tx = env["payment.transaction"].create(
                {
                    "provider_id": provider.id,
                    "payment_method_id": env.ref("payment.payment_method_card").id,
                    "reference": "held-row",
                    "amount": 1,
                    "currency_id": env.company.currency_id.id,
                    "partner_id": env.ref("base.main_partner").id,
                }
            )
            cr.commit()  # pylint: disable=invalid-commit
            try:
                tx._quittance_lock()
                with database.cursor() as other:
                    there = tx.with_env(env(cr=other))
                    attempt = there.env["quittance.news"]._attempt(there._quittance_lock)
                    self.assertEqual(attempt["result"], "later")
            finally:
                cr.rollback()
                tx.unlink()
                cr.commit()  # pylint: disable=invalid-commit

    def test_what_postgres_could_not_serialize_is_later_and_no_failure(self):
        self.transaction("P-F")
        message = self.message("payment.updated", self.payment("P-F"))

        def fail(*_args):
            raise self.serialization_failure()

        with patch.object(self.registry["payment.transaction"], "_quittance_process", fail):
            self.assertEqual(self.take_in(message)[0]["result"], "later")
        self.assertEqual(self.take_in(message)[0]["result"], "applied")

    def serialization_failure(self):
        from psycopg2.errors import SerializationFailure

        error = SerializationFailure()
        error.__setstate__({"pgcode": "40001"})
        return error

    # === The right money === #

    def test_another_amount_or_currency_is_rejected_with_a_reason(self):
        tx = self.transaction("P-G")
        result = self.take_in(self.message("payment.updated", self.payment("P-G", minor=9999)))[0]
        self.assertEqual(result["result"], "rejected")
        self.assertIn("P-G", result["reason"])
        other = self.payment("P-G", currency="CHF")
        self.assertEqual(self.take_in(self.message("payment.updated", other))[0]["result"], "rejected")
        self.assertEqual(tx.state, "draft")

    def test_a_payment_is_matched_by_reference_and_never_by_description(self):
        tx = self.transaction("P-H")
        self.tell(self.payment("P-H", state="processing"))
        stranger = self.payment("P-Hx", description="P-H", version=9)
        stranger["reference"] = "P-H"
        result = self.take_in(self.message("payment.updated", stranger))[0]
        self.assertEqual(result["result"], "rejected")
        self.assertIn("pi_ph", result["reason"])
        self.assertEqual((tx.state, tx.provider_reference), ("pending", "pi_ph"))

    def test_an_attempt_that_was_superseded_does_not_call_off_the_one_that_took_its_place(self):
        tx = self.transaction("P-I")
        self.tell(self.payment("P-I"))
        before = self.payment("P-Ix", state="canceled")
        before["reference"] = "P-I"
        self.tell(before)
        self.assertEqual(tx.state, "done")

    def test_a_payment_of_another_mode_is_rejected(self):
        tx = self.transaction("P-J")
        result = self.take_in(self.message("payment.updated", self.payment("P-J", mode="live")))[0]
        self.assertEqual(result["result"], "rejected")
        self.assertEqual(tx.state, "draft")

    # === What Odoo lost === #

    def test_a_payment_rolled_back_in_odoo_is_made_again_and_pays_its_invoice(self):
        invoice = self.invoice()
        told = self.payment(
            "P-K",
            customer={"id": "cus_1", "partner": f"{self.database}|{self.partner.id}"},
            settles=[{"model": "account.move", "id": invoice.id, "amount_minor": 10000}],
        )
        self.tell(told)
        tx = self.env["payment.transaction"].search([("reference", "=", "P-K")])
        self.assertEqual((tx.state, tx.operation, tx.partner_id), ("done", "online_direct", self.partner))
        self.assertEqual(tx.invoice_ids, invoice)
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))

    def test_the_customer_of_a_lost_payment_is_its_invoices_where_none_is_told(self):
        invoice = self.invoice()
        settles = [{"model": "account.move", "id": invoice.id, "amount_minor": 10000}]
        self.tell(self.payment("P-L", settles=settles, customer={"id": "cus_1", "partner": "another-db|1"}))
        tx = self.env["payment.transaction"].search([("reference", "=", "P-L")])
        self.assertEqual(tx.partner_id, self.partner)

    def test_a_lost_payment_of_nobody_is_given_to_a_person_and_never_lost(self):
        result = self.tell(self.payment("P-M"))[0]
        self.assertEqual(result["records"], [])
        activity = self.env["mail.activity"].search([("quittance_subject", "=", "pay_pm")])
        self.assertEqual(len(activity), 1)
        self.assertIn("P-M", activity.note)

    def test_an_attempt_that_came_to_nothing_is_not_made_again(self):
        self.tell(self.payment("P-N", state="canceled"))
        self.assertFalse(self.env["payment.transaction"].search([("reference", "=", "P-N")]))

    # === Accounting === #

    def test_the_invoice_is_paid_at_once_without_browser_or_job(self):
        invoice = self.invoice()
        tx = self.transaction("P-O", invoice=invoice)
        self.tell(self.payment("P-O"))
        payment = tx.payment_id
        self.assertTrue(tx.is_post_processed)
        self.assertEqual((payment.quittance_source, payment.payment_reference), ("ch_po", "ch_po"))
        self.assertEqual(payment.journal_id, self.journal())
        self.assertEqual(payment.outstanding_account_id, self.account("outstanding_receipts"))
        self.assertEqual(payment.date, date.fromisoformat(TODAY))
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))

    def test_many_payments_of_a_batch_are_posted_together_each_on_its_invoice(self):
        invoices = [self.invoice(10.0 * number) for number in range(1, 6)]
        messages = []
        for number, invoice in enumerate(invoices, 1):
            self.transaction(f"P-P{number}", amount=10.0 * number, invoice=invoice)
            messages.append(self.message("payment.updated", self.payment(f"P-P{number}", minor=1000 * number)))
        with patch.object(self.registry["payment.transaction"], "_create_payment", side_effect=AssertionError):
            results = self.take_in(*messages)
        self.assertEqual({result["result"] for result in results}, {"applied"})
        for invoice in invoices:
            self.assertIn(invoice.payment_state, ("paid", "in_payment"))

    def test_the_entries_of_a_batch_are_numbered_one_after_the_other(self):
        numbers = []
        for batch in ("A", "B"):
            transactions = [self.transaction(f"P-N{batch}{number}") for number in range(3)]
            self.tell_together(*(self.payment(tx.reference) for tx in transactions))
            numbers += [tx.payment_id.move_id.sequence_number for tx in transactions]
        self.assertEqual(sorted(numbers), list(range(min(numbers), min(numbers) + 6)))

    def test_a_batch_is_posted_on_the_analytic_accounts_that_a_rule_names(self):
        plan = self.env["account.analytic.plan"].create({"name": "Shops"})
        account = self.env["account.analytic.account"].create({"name": "Web", "plan_id": plan.id})
        self.env["account.analytic.distribution.model"].create(
            {"partner_id": self.partner.id, "analytic_distribution": {str(account.id): 100}}
        )
        transactions = [self.transaction(f"P-O{number}") for number in range(2)]
        self.tell_together(*(self.payment(tx.reference) for tx in transactions))
        for line in transactions[0].payment_id.move_id.line_ids + transactions[1].payment_id.move_id.line_ids:
            self.assertEqual(line.analytic_distribution, {str(account.id): 100})

    def test_that_an_invoice_is_paid_is_told_to_a_follower_who_wishes_so_and_kept_on_the_others(self):
        # What is tracked is told by the precommit hooks, of what was tracked since they ran last.
        followed, other = self.invoice(), self.invoice()
        paid = self.env["mail.message.subtype"].create({"name": "Paid", "res_model": "account.move"})
        follower = self.env["res.partner"].create({"name": "Follower", "email": "follower@example.com"})
        followed.message_subscribe(follower.ids, subtype_ids=paid.ids)
        self.patch(self.registry["account.move"], "_track_subtype", lambda move, values: paid)
        for number, invoice in enumerate((followed, other)):
            self.transaction(f"P-K{number}", invoice=invoice)
        self.env.cr.flush()
        self.news = self.news.with_context(tracking_disable=False, mail_notrack=False)
        self.tell_together(*(self.payment(f"P-K{number}") for number in range(2)))
        for invoice in (followed, other):
            note = invoice.message_ids.filtered(lambda note: note.subtype_id == paid)
            self.assertEqual(len(note), 1)
            self.assertEqual(note.tracking_value_ids.field_id.name, "payment_state")
            self.assertEqual(note.notified_partner_ids, follower if invoice == followed else follower.browse())

    def test_what_a_batch_says_in_the_chatter_is_one_note_on_each_invoice(self):
        invoices = [self.invoice() for _ in range(3)]
        for number, invoice in enumerate(invoices):
            self.transaction(f"P-T{number}", invoice=invoice)
        self.tell_together(*(self.payment(f"P-T{number}") for number in range(3)))
        for number, invoice in enumerate(invoices):
            notes = invoice.message_ids.filtered(lambda note, name=f"P-T{number}": name in (note.body or ""))
            self.assertEqual(len(notes), 1)
            self.assertIn("has been confirmed", notes.body)
            self.assertIn("has been posted", notes.body)

    def test_what_is_refused_says_nothing_in_the_chatter_and_holds_up_nothing_of_its_batch(self):
        good, bad = self.invoice(), self.invoice()
        self.transaction("P-U1", invoice=good)
        self.transaction("P-U2", invoice=bad)
        apply = self.registry["payment.transaction"]._quittance_set_state

        def fail_after(tx, state, payment):
            apply(tx, state, payment)
            if tx.reference == "P-U2":
                raise UserError(tx.env._("After it was said."))

        with patch.object(self.registry["payment.transaction"], "_quittance_set_state", fail_after):
            results = self.take_in(*(self.message("payment.updated", self.payment(name)) for name in ("P-U1", "P-U2")))
        self.assertEqual([result["result"] for result in results], ["applied", "rejected"])
        self.assertIn(good.payment_state, ("paid", "in_payment"))
        self.assertEqual(bad.payment_state, "not_paid")
        self.assertTrue(good.message_ids.filtered(lambda note: "P-U1" in (note.body or "")))
        self.assertFalse(bad.message_ids.filtered(lambda note: "has been confirmed" in (note.body or "")))

    @mute_logger(NEWS_LOGGER, "odoo.addons.payment_quittance.models.payment_books")
    def test_where_accounting_fails_the_payment_is_applied_and_a_person_told(self):
        good, bad = self.transaction("P-Q1"), self.transaction("P-Q2")
        post = type(self.env["account.payment"]).action_post

        def refuse(payments):
            if "P-Q2" in str(payments.mapped("memo")):
                raise UserError(payments.env._("This day is not for posting."))
            return post(payments)

        with patch.object(self.registry["account.payment"], "action_post", refuse):
            results = self.take_in(*(self.message("payment.updated", self.payment(name)) for name in ("P-Q1", "P-Q2")))
        self.assertEqual([result["result"] for result in results], ["applied", "applied"])
        self.assertEqual((good.state, bad.state), ("done", "done"))
        self.assertTrue(good.payment_id)
        self.assertFalse(bad.payment_id)
        self.assertFalse(bad.is_post_processed)
        activity = self.env["mail.activity"].search([("quittance_subject", "=", "accounting:P-Q2")])
        self.assertEqual(len(activity), 1)
        bad._post_process()
        self.assertTrue(bad.payment_id)

    def test_under_a_lock_date_the_payment_is_done_its_posting_rejected_and_taken_in_once_unlocked(self):
        invoice = self.invoice(date="2025-01-15")
        tx = self.transaction("P-R", invoice=invoice)
        self.company.fiscalyear_lock_date = "2025-01-31"
        told = self.payment("P-R", captures=[self.capture("ch_pr", 10000, captured_on="2025-01-20")])
        message = self.message("payment.updated", told)
        result = self.take_in(message)[0]
        self.assertEqual(result["result"], "rejected")
        self.assertIn("2025-01-20", result["reason"])
        self.assertIn("2025-01-31", result["reason"])
        self.assertEqual(tx.state, "done")
        self.assertFalse(tx.payment_id)
        self.company.fiscalyear_lock_date = False
        self.assertEqual(self.take_in(message)[0]["result"], "applied")
        self.assertEqual(tx.payment_id.date, date(2025, 1, 20))
        self.assertEqual(tx.payment_id.move_id.date, date(2025, 1, 20))

    def test_what_the_browser_posted_before_the_news_is_named_by_it(self):
        tx = self.transaction("P-S")
        tx._set_done()
        tx._post_process()
        self.assertFalse(tx.payment_id.quittance_source)
        self.tell(self.payment("P-S"))
        self.assertEqual(tx.payment_id.quittance_source, "ch_ps")
        self.assertEqual(self.env["account.payment"].search_count([("payment_transaction_id", "=", tx.id)]), 1)
