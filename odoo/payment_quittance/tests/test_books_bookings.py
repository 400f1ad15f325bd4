from datetime import date

from odoo.tests import tagged

from .news_common import TODAY, NewsCommon


@tagged("post_install", "-at_install")
class TestBooksBookings(NewsCommon):
    """The ledger in the books: each booking once, on its day, met with what waits for it."""

    def paid(self, reference="B-1", minor=10000, **told):
        invoice = self.invoice(minor / 100)
        tx = self.transaction(reference, amount=minor / 100, invoice=invoice)
        self.tell(self.payment(reference, minor=minor, **told))
        return tx, invoice

    # === Charges, fees, refunds === #

    def test_a_charge_is_a_line_of_the_stripe_journal_with_its_fee_and_outstanding_is_zero(self):
        tx, _invoice = self.paid()
        line = self.book_charge("txn_1", "ch_b1", 10000)[0]
        self.assertEqual((line._name, line.journal_id), ("account.bank.statement.line", self.journal()))
        self.assertEqual((line.amount, line.date, line.partner_id), (97.0, date.today(), tx.partner_id))
        self.assertTrue(line.is_reconciled)
        self.assertTrue(tx.payment_id.is_matched)
        self.assertEqual((self.held(), self.outstanding()), (97.0, 0.0))
        self.assertEqual(self.balance(self.account("fees")), 3.0)

    def test_the_same_booking_under_another_message_is_found_and_not_written_again(self):
        self.paid()
        first = self.book_charge("txn_1", "ch_b1", 10000)
        second = self.book_charge("txn_1", "ch_b1", 10000)
        self.assertEqual(first, second)
        self.assertEqual(self.held(), 97.0)

    def test_bookings_of_a_batch_are_written_together(self):
        for number in range(1, 6):
            self.paid(f"B-2x{number}")
        lines = self.book(
            *(
                self.booking(
                    f"txn_{number}",
                    f"ch_b2x{number}",
                    [("provider_balance", 9700), ("fees", 300), ("receivable_clearing", -10000)],
                    meets=f"ch_b2x{number}",
                )
                for number in range(1, 6)
            )
        )
        self.assertEqual(len(lines), 5)
        self.assertEqual((self.held(), self.outstanding()), (485.0, 0.0))

    def test_one_booking_that_cannot_be_written_holds_up_none_of_the_others(self):
        self.paid("B-3")
        parts = [("provider_balance", 9700), ("fees", 300), ("receivable_clearing", -10000)]
        results = self.take_in(
            self.message("ledger.booked", self.booking("txn_x", "ch_none", parts, meets="ch_none")),
            self.message("ledger.booked", self.booking("txn_1", "ch_b3", parts, meets="ch_b3")),
        )
        self.assertEqual([result["result"] for result in results], ["rejected", "applied"])
        self.assertIn("ch_none", results[0]["reason"])
        self.assertEqual(self.held(), 97.0)

    def test_captures_in_parts_meet_their_own_lines(self):
        self.provider.capture_manually = True
        tx = self.transaction("B-4", invoice=self.invoice())
        captures = [self.capture("ch_a", 6000), self.capture("ch_b", 4000)]
        self.tell(self.payment("B-4", state="authorized", capture_method="manual"))
        self.tell(self.payment("B-4", version=2, capture_method="manual", captures=captures))
        self.book_charge("txn_1", "ch_a", 6000)
        self.book_charge("txn_2", "ch_b", 4000)
        self.assertTrue(all(tx.child_transaction_ids.payment_id.mapped("is_matched")))
        self.assertEqual((self.held(), self.outstanding()), (94.0, 0.0))

    def test_a_refund_and_its_line_meet_and_a_refund_that_came_back_meets_its_return(self):
        self.paid("B-5")
        self.book_charge("txn_1", "ch_b5", 10000)
        self.tell(self.payment("B-5", version=2, refunds=[self.refund("re_1", 3000)]))
        back = [("provider_balance", -3000), ("receivable_clearing", 3000)]
        self.book(self.booking("txn_2", "re_1", back, meets="re_1"))
        self.assertEqual((self.held(), self.outstanding()), (67.0, 0.0))
        self.tell(self.payment("B-5", version=3, refunds=[self.refund("re_1", 3000, state="failed")]))
        self.book(
            self.booking(
                "txn_3", "re_1", [("provider_balance", 3000), ("receivable_clearing", -3000)], meets="re_1_returned"
            )
        )
        self.assertEqual((self.held(), self.outstanding()), (97.0, 0.0))

    def test_a_line_that_nobody_explained_waits_in_suspense(self):
        line = self.book(self.booking("txn_9", "odd", [("provider_balance", 500), ("suspense", -500)]))[0]
        self.assertFalse(line.is_reconciled)
        self.assertEqual(self.balance(self.journal().suspense_account_id), -5.0)

    def test_money_that_was_linked_by_hand_settles_its_invoice_and_leaves_suspense(self):
        invoice = self.invoice(50.0)
        self.book(self.booking("txn_1", "ch_x", [("provider_balance", 5000), ("suspense", -5000)]))
        link = {
            "source": "link_txn_1", "balance_transaction": "txn_1", "reference": "S00042", "provider_account": "acc_1",
            "currency": self.currency.name, "amount_minor": 5000, "linked_on": TODAY,
            "settles": [{"model": "account.move", "id": invoice.id, "amount_minor": 5000}],
        }  # fmt: skip
        for _time in range(2):
            result = self.take_in(self.message("payment.linked", link, sequence=0))[0]
            self.assertIn(result["result"], ("applied", "stale"))
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))
        moved = [("suspense", 5000), ("receivable_clearing", -5000)]
        self.book(self.booking("link:txn_1", "txn_1", moved, meets="link_txn_1"))
        self.assertEqual(self.outstanding(), 0.0)
        self.assertEqual(self.balance(self.journal().suspense_account_id), 0.0)

    # === Disputes === #

    def lose(self, minor=10000, whole=10000):
        _tx, invoice = self.paid("B-6", minor=whole)
        self.book_charge("txn_1", "ch_b6", whole)
        parts = [("provider_balance", -minor - 1500), ("disputes", minor), ("dispute_fees", 1500)]
        self.book(self.booking("txn_2", "dp_1", parts))
        return invoice

    def test_a_dispute_that_is_lost_reopens_the_invoice_and_the_disputes_account_is_zero(self):
        invoice = self.lose()
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))
        self.book(self.booking("lost:dp_1:1", "dp_1", [("disputes", -10000), ("dispute_losses", 10000)], meets="ch_b6"))
        self.assertEqual(invoice.payment_state, "not_paid")
        self.assertEqual(invoice.amount_residual, 100.0)
        self.assertEqual(self.balance(self.account("disputes")), 0.0)
        self.assertEqual(self.balance(self.account("dispute_fees")), 15.0)
        items = self.env["account.move.line"].search([("account_id", "=", self.account("disputes").id)])
        self.assertTrue(all(items.mapped("reconciled")))

    def test_of_a_dispute_over_a_part_the_customer_owes_that_part(self):
        invoice = self.lose(minor=4000)
        entry = self.book(
            self.booking("lost:dp_1:1", "dp_1", [("disputes", -4000), ("dispute_losses", 4000)], meets="ch_b6")
        )[0]
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))
        owed = entry.line_ids.filtered(lambda line: line.account_id.account_type == "asset_receivable")
        self.assertEqual((owed.balance, owed.reconciled, owed.partner_id), (40.0, False, self.partner))

    def test_a_dispute_that_is_lost_is_an_expense_where_the_company_wants_that(self):
        self.provider.quittance_lost_disputes = "write_off"
        self.provider._quittance_set_up_books()
        invoice = self.lose()
        self.book(self.booking("lost:dp_1:1", "dp_1", [("disputes", -10000), ("dispute_losses", 10000)], meets="ch_b6"))
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))
        self.assertEqual(self.balance(self.account("dispute_losses")), 100.0)
        self.assertEqual(self.balance(self.account("disputes")), 0.0)

    def test_a_dispute_that_is_won_clears_the_disputes_account(self):
        self.lose()
        self.book(self.booking("txn_3", "dp_1", [("provider_balance", 10000), ("disputes", -10000)]))
        self.assertEqual(self.balance(self.account("disputes")), 0.0)

    # === Payouts === #

    def pay_out(self):
        self.paid("B-7")
        self.book_charge("txn_1", "ch_b7", 10000)
        self.book(self.booking("txn_2", "po_1", [("provider_balance", -9700), ("in_transit", 9700)]))
        return self.booking("paid:po_1", "po_1", [("bank", 9700), ("in_transit", -9700)], meets="po_1")

    def test_a_payout_goes_to_liquidity_transfer_and_its_banks_side_is_the_feeds(self):
        paid = self.pay_out()
        self.assertEqual(self.book(paid), [])
        self.assertEqual(self.account("in_transit"), self.company.transfer_account_id)
        self.assertEqual((self.held(), self.balance(self.account("in_transit"))), (0.0, 97.0))

    def test_a_payout_reaches_the_bank_and_transit_is_zero_where_the_company_wants_that(self):
        bank = self.company_data["default_journal_bank"]
        self.provider.quittance_bank_journal_id = bank
        line = self.book(self.pay_out())[0]
        self.assertEqual((line.journal_id, line.amount), (bank, 97.0))
        self.assertEqual(self.balance(self.account("in_transit")), 0.0)
        items = self.env["account.move.line"].search([("account_id", "=", self.account("in_transit").id)])
        self.assertTrue(all(items.mapped("reconciled")))

    def test_a_payout_whose_line_is_not_there_yet_is_rejected_with_a_reason(self):
        self.provider.quittance_bank_journal_id = self.company_data["default_journal_bank"]
        paid = self.booking("paid:po_9", "po_9", [("bank", 9700), ("in_transit", -9700)], meets="po_9")
        result = self.take_in(self.message("ledger.booked", paid))[0]
        self.assertEqual(result["result"], "rejected")
        self.assertIn("po_9", result["reason"])

    # === Days === #

    def test_a_booking_under_a_lock_date_is_rejected_by_name_and_never_moved(self):
        self.company.fiscalyear_lock_date = "2025-01-31"
        parts = [("provider_balance", -500), ("fees", 500)]
        for day, result in (("2025-01-31", "rejected"), ("2025-02-01", "applied")):
            told = self.booking(f"txn_{day}", "fee", parts, date=day)
            found = self.take_in(self.message("ledger.booked", told))[0]
            self.assertEqual(found["result"], result)
            if result == "rejected":
                self.assertIn("2025-01-31 is locked", found["reason"])
        moves = self.env["account.move"].search([("quittance_source", "like", "txn_2025")])
        self.assertEqual(moves.mapped("date"), [date(2025, 2, 1)])

    def test_a_booking_of_a_currency_without_a_journal_is_rejected_with_what_to_do(self):
        told = self.booking("txn_1", "fee", [("provider_balance", -500), ("fees", 500)], currency="CHF")
        result = self.take_in(self.message("ledger.booked", told))[0]
        self.assertEqual(result["result"], "rejected")
        self.assertIn("CHF", result["reason"])

    # === Currencies === #

    def foreign(self, rate=2.0):
        """A currency of which so many are one of the company's."""
        currency = self.env["res.currency"].with_context(active_test=False).search([("name", "=", "EUR")])
        if currency == self.currency:
            currency = currency.search([("name", "=", "USD")])
        currency.active = True
        currency.rate_ids.unlink()
        self.env["res.currency.rate"].create(
            {"currency_id": currency.id, "name": "2020-01-01", "rate": rate, "company_id": self.company.id}
        )
        return currency

    def test_a_payment_in_another_currency_settles_its_invoice_and_odoo_posts_the_difference(self):
        foreign = self.foreign()
        invoice = self.invoice(post=False)
        invoice.currency_id = foreign
        invoice.action_post()
        tx = self.transaction("B-8", amount=invoice.amount_total, invoice=invoice, currency_id=foreign.id)
        minor = round(invoice.amount_total * 100)
        self.tell(self.payment("B-8", minor=minor, currency=foreign.name))
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))
        half = minor // 2 - 200
        self.book(
            self.booking(
                "txn_1",
                "ch_b8",
                [("provider_balance", half - 100), ("fees", 100), ("receivable_clearing", -minor, foreign.name, -half)],
                meets="ch_b8",
            )
        )
        self.assertTrue(tx.payment_id.is_matched)
        self.assertEqual((self.held(), self.outstanding()), ((half - 100) / 100, 0.0))
        lost = self.balance(self.company.expense_currency_exchange_account_id)
        self.assertEqual(lost, 2.0)

    def test_a_journal_in_another_currency_is_worth_odoos_rate_of_the_day(self):
        foreign = self.foreign()
        self.provider._quittance_set_up_books([self.currency.name, foreign.name])
        journal = self.journal(foreign)
        self.assertEqual(journal.currency_id, foreign)
        tx = self.transaction("B-9", currency_id=foreign.id)
        self.tell(self.payment("B-9", currency=foreign.name))
        self.assertEqual(tx.payment_id.journal_id, journal)
        line = self.book(
            self.booking(
                "txn_1",
                "ch_b9",
                [("provider_balance", 9667), ("fees", 333), ("receivable_clearing", -10000)],
                meets="ch_b9",
                currency=foreign.name,
            )
        )[0]
        self.assertEqual(line.amount, 96.67)
        self.assertTrue(line.is_reconciled)
        self.assertEqual(line.move_id.line_ids.mapped("currency_id"), foreign)
        self.assertEqual(self.outstanding(), 0.0)

    # === All of it === #

    def test_after_a_month_everything_sent_twice_and_in_disorder_the_trial_balance_is_right(self):
        payments, bookings = [], []
        for number in range(1, 7):
            reference, charge = f"B-T{number}", f"ch_bt{number}"
            self.transaction(reference, invoice=self.invoice())
            refunds = [self.refund(f"re_{number}", 2500)] if number % 2 else []
            payments += [self.payment(reference), self.payment(reference, version=2, refunds=refunds)]
            parts = [("provider_balance", 9700), ("fees", 300), ("receivable_clearing", -10000)]
            bookings.append(self.booking(f"txn_c{number}", charge, parts, meets=charge))
            for refund in refunds:
                back = [("provider_balance", -2500), ("receivable_clearing", 2500)]
                bookings.append(self.booking(f"txn_r{number}", refund["source"], back, meets=refund["source"]))
        bookings.append(self.booking("txn_po", "po_t", [("provider_balance", -20000), ("in_transit", 20000)]))
        for _time in range(2):
            for payment in reversed(payments):
                result = self.take_in(self.message("payment.updated", payment))[0]
                self.assertIn(result["result"], ("applied", "stale"))
            messages = [self.message("ledger.booked", booking) for booking in reversed(bookings)]
            results = self.take_in(*messages)
            self.assertEqual({result["result"] for result in results}, {"applied"}, results)
            self.assertEqual({result["result"] for result in self.take_in(*messages)}, {"duplicate"})
        self.assertEqual(self.outstanding(), 0.0)
        self.assertEqual(self.held(), 6 * 97.0 - 3 * 25.0 - 200.0)
        self.assertEqual(self.balance(self.account("fees")), 18.0)
        self.assertEqual(self.balance(self.account("in_transit")), 200.0)
        owed = self.balance(self.partner.property_account_receivable_id)
        self.assertEqual(owed, 3 * 25.0)
