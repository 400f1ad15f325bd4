from odoo.release import version_info
from odoo.tests import tagged

from .news_common import TODAY, NewsCommon


@tagged("post_install", "-at_install")
class TestNewsChildren(NewsCommon):
    """Captures, releases and refunds, wherever they were asked for, as Odoo's children: each once."""

    def held(self, reference="C-1", amount=100.0, invoice=None):
        self.provider.capture_manually = True
        tx = self.transaction(reference, amount=amount, invoice=invoice)
        self.tell(self.manual(reference, 1, "authorized", minor=round(amount * 100)))
        self.assertEqual(tx.state, "authorized")
        return tx

    def manual(self, reference, version, state, captures=(), minor=10000, **told):
        told = {"capture_method": "manual", "captures": list(captures), **told}
        return self.payment(reference, minor=minor, version=version, state=state, **told)

    # === Captures === #

    def test_a_capture_in_stripes_dashboard_makes_its_child_once(self):
        invoice = self.invoice()
        tx = self.held(invoice=invoice)
        captures = [self.capture("ch_c1", 10000)]
        self.tell(self.manual("C-1", 2, "captured", captures), self.manual("C-1", 3, "captured", captures))
        child = tx.child_transaction_ids
        self.assertEqual((child.state, child.reference, child.quittance_source), ("done", "P-C-1", "ch_c1"))
        self.assertEqual(tx.state, "done")
        self.assertFalse(tx.payment_id)
        self.assertEqual(child.payment_id.quittance_source, "ch_c1")
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))

    def test_captures_in_parts_are_children_with_their_amounts_and_the_last_ends_it(self):
        invoice = self.invoice()
        tx = self.held(invoice=invoice)
        first, second = self.capture("ch_a", 6000), self.capture("ch_b", 4000)
        self.tell(self.manual("C-1", 2, "authorized", [first]))
        self.assertEqual((tx.state, tx.child_transaction_ids.mapped("amount")), ("authorized", [60.0]))
        self.assertEqual(invoice.payment_state, "partial")
        self.tell(self.manual("C-1", 3, "captured", [first, second]))
        self.assertEqual(tx.state, "done")
        self.assertEqual(sorted(tx.child_transaction_ids.mapped("amount")), [40.0, 60.0])
        self.assertEqual(set(tx.child_transaction_ids.payment_id.mapped("quittance_source")), {"ch_a", "ch_b"})
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))

    def test_a_capture_that_odoo_asked_for_is_its_own_child(self):
        tx = self.held()
        child = tx._create_child_transaction(60.0)
        capture = self.capture("ch_a", 6000, operation="op_1", reference=child.reference)
        self.tell(self.manual("C-1", 2, "authorized", [capture]))
        self.assertEqual(tx.child_transaction_ids, child)
        self.assertEqual((child.state, child.quittance_operation), ("done", "op_1"))

    def test_a_child_that_odoo_rolled_back_is_made_again_under_its_own_reference(self):
        tx = self.held()
        capture = self.capture("ch_a", 6000, operation="op_1", reference="P-C-1-7")
        self.tell(self.manual("C-1", 2, "authorized", [capture]))
        self.assertEqual(tx.child_transaction_ids.reference, "P-C-1-7")

    def test_a_child_of_another_amount_than_what_was_captured_is_rejected(self):
        tx = self.held()
        child = tx._create_child_transaction(60.0)
        told = self.manual("C-1", 2, "authorized", [self.capture("ch_a", 5000, reference=child.reference)])
        result = self.take_in(self.message("payment.updated", told))[0]
        self.assertEqual(result["result"], "rejected")
        self.assertNotEqual(child.state, "done")

    def test_what_a_last_capture_releases_is_voided_and_the_source_done(self):
        tx = self.held()
        self.tell(self.manual("C-1", 2, "captured", [self.capture("ch_a", 6000)]))
        states = {child.amount: child.state for child in tx.child_transaction_ids}
        self.assertEqual((states, tx.state), ({60.0: "done", 40.0: "cancel"}, "done"))

    def test_an_answer_that_does_not_name_what_was_taken_posts_and_voids_nothing_until_news_does(self):
        tx = self.held()
        answer = self.manual("C-1", 2, "captured")
        del answer["captures"]
        tx._quittance_process(answer)
        tx._post_process()
        self.assertEqual(tx.state, "done")
        self.assertFalse(tx.child_transaction_ids or tx.payment_id or tx.is_post_processed)
        self.tell(self.manual("C-1", 3, "captured", [self.capture("ch_a", 6000)]))
        states = {child.amount: child.state for child in tx.child_transaction_ids}
        self.assertEqual(states, {60.0: "done", 40.0: "cancel"})
        self.assertFalse(tx.payment_id)
        self.assertEqual(tx.child_transaction_ids.payment_id.amount, 60.0)

    # === Voids === #

    def test_a_void_in_stripes_dashboard_is_a_void_in_odoo_once(self):
        tx = self.held()
        self.tell(self.manual("C-1", 2, "canceled"), self.manual("C-1", 3, "canceled"))
        # Odoo 18 has no child for what lets go of everything.
        children = ["cancel"] if version_info[0] >= 19 else []
        self.assertEqual((tx.state, tx.child_transaction_ids.mapped("state")), ("cancel", children))

    def test_a_void_that_odoo_asked_for_is_its_own_child(self):
        tx = self.held()
        capture = self.capture("ch_a", 6000)
        self.tell(self.manual("C-1", 2, "authorized", [capture]))
        child = tx._create_child_transaction(40.0)
        operation = {"id": "op_9", "kind": "cancel", "state": "succeeded", "amount_minor": 4000,
                     "reference": child.reference, "error_code": None, "error_message": None}  # fmt: skip
        self.tell(self.manual("C-1", 3, "captured", [capture], operations=[operation]))
        self.assertEqual(len(tx.child_transaction_ids), 2)
        self.assertEqual((child.state, tx.state), ("cancel", "done"))

    # === Refunds === #

    def paid(self, reference="R-1", **told):
        invoice = self.invoice()
        tx = self.transaction(reference, invoice=invoice)
        self.tell(self.payment(reference, **told))
        return tx, invoice

    def test_a_refund_in_stripes_dashboard_makes_its_child_and_payment_once(self):
        tx, _invoice = self.paid("D-1")
        refunds = [self.refund("re_1", 3000)]
        self.tell(self.payment("D-1", version=2, refunds=refunds), self.payment("D-1", version=3, refunds=refunds))
        child = tx.child_transaction_ids
        self.assertEqual((child.state, child.amount, child.reference), ("done", -30.0, "R-D-1"))
        self.assertEqual(child.payment_id.quittance_source, "re_1")
        self.assertEqual((child.payment_id.payment_type, child.payment_id.amount), ("outbound", 30.0))
        self.assertEqual(child.payment_id.outstanding_account_id, self.account("outstanding_payments"))
        self.assertEqual(tx.payment_id.amount_available_for_refund, 70.0)

    def test_several_refunds_are_children_of_their_own(self):
        tx, _invoice = self.paid("D-2")
        self.tell(self.payment("D-2", version=2, refunds=[self.refund("re_1", 3000), self.refund("re_2", 3000)]))
        self.assertEqual(set(tx.child_transaction_ids.mapped("quittance_source")), {"re_1", "re_2"})
        self.assertEqual(len(tx.child_transaction_ids.payment_id), 2)

    def test_a_refund_that_odoo_asked_for_is_its_own_child(self):
        tx, _invoice = self.paid("D-3")
        child = tx._create_child_transaction(30.0, is_refund=True)
        operation = {"id": "op_5", "kind": "refund", "state": "succeeded", "amount_minor": 3000,
                     "reference": child.reference, "error_code": None, "error_message": None}  # fmt: skip
        refund = self.refund("re_1", 3000, operation="op_5", reference=child.reference)
        self.tell(self.payment("D-3", version=2, operations=[operation], refunds=[refund]))
        self.assertEqual(tx.child_transaction_ids, child)
        self.assertEqual((child.state, child.payment_id.quittance_source), ("done", "re_1"))

    def test_a_refund_on_its_way_is_posted_when_it_arrived(self):
        tx, _invoice = self.paid("D-4")
        self.tell(self.payment("D-4", version=2, refunds=[self.refund("re_1", 3000, state="pending")]))
        child = tx.child_transaction_ids
        self.assertEqual(child.state, "pending")
        self.assertFalse(child.payment_id)
        self.tell(self.payment("D-4", version=3, refunds=[self.refund("re_1", 3000)]))
        self.assertEqual(child.state, "done")
        self.assertTrue(child.payment_id)

    def test_a_refund_that_is_not_known_yet_cannot_be_given_a_second_time(self):
        tx, _invoice = self.paid("D-7")
        child = tx._create_child_transaction(30.0, is_refund=True)
        child._set_pending()
        self.assertEqual(tx.payment_id.amount_available_for_refund, 70.0)
        child._set_error("It did not go through.")
        tx.payment_id.invalidate_recordset(["amount_available_for_refund"])
        self.assertEqual(tx.payment_id.amount_available_for_refund, 100.0)

    def test_a_refund_that_came_back_is_reversed_and_can_be_given_again(self):
        tx, invoice = self.paid("D-5")
        self.tell(self.payment("D-5", version=2, refunds=[self.refund("re_1", 3000)]))
        returned = {"source": "re_1_returned", "returned_on": TODAY}
        failed = [self.refund("re_1", 3000, state="failed", returned=returned)]
        self.tell(self.payment("D-5", version=3, refunds=failed), self.payment("D-5", version=4, refunds=failed))
        child = tx.child_transaction_ids
        self.assertEqual(child.state, "error")
        returned = self.env["account.payment"].search([("quittance_source", "=", "re_1_returned")])
        self.assertEqual((returned.payment_type, returned.amount), ("inbound", 30.0))
        self.assertTrue(returned._quittance_customer_item().reconciled)
        self.assertTrue(child.payment_id._quittance_customer_item().reconciled)
        self.assertEqual(tx.payment_id.amount_available_for_refund, 100.0)
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))
        activities = self.env["mail.activity"].search([("quittance_subject", "=", "re_1_returned")])
        self.assertEqual(len(activities), 1)

    def test_a_refund_that_failed_before_it_was_told_leaves_nothing(self):
        tx, _invoice = self.paid("D-6")
        self.tell(self.payment("D-6", version=2, refunds=[self.refund("re_1", 3000, state="failed")]))
        self.assertFalse(tx.child_transaction_ids)

    def test_a_refund_of_a_capture_in_parts_is_that_captures(self):
        tx = self.held("C-9")
        captures = [self.capture("ch_a", 6000), self.capture("ch_b", 4000)]
        self.tell(self.manual("C-9", 2, "captured", captures))
        self.tell(self.manual("C-9", 3, "captured", captures, refunds=[self.refund("re_1", 6000)]))
        refund = tx._quittance_children().filtered(lambda child: child.operation == "refund")
        self.assertEqual(refund.source_transaction_id.quittance_source, "ch_a")
        self.assertEqual(refund.payment_id.source_payment_id.quittance_source, "ch_a")

    # === Credit notes === #

    def test_a_whole_refund_takes_back_the_sale_where_the_company_wants_that(self):
        self.provider.quittance_credit_notes = True
        tx, invoice = self.paid("D-7")
        self.tell(self.payment("D-7", version=2, refunds=[self.refund("re_1", 10000)]))
        note = invoice.reversal_move_ids
        self.assertEqual((note.state, note.amount_total), ("posted", 100.0))
        self.assertIn(note.payment_state, ("paid", "in_payment"))
        self.assertTrue(tx.child_transaction_ids.payment_id._quittance_customer_item().reconciled)
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))

    def test_a_part_that_went_back_takes_back_its_share_of_sale_and_tax_to_the_cent(self):
        self.provider.quittance_credit_notes = True
        tax = self.env["account.tax"].create(
            {"name": "21%", "amount": 21.0, "amount_type": "percent", "type_tax_use": "sale",
             "company_id": self.company.id}
        )  # fmt: skip
        for minor in (3025, 302, 1, 12099):
            with self.subTest(minor=minor):
                reference = f"D-8x{minor}"
                invoice = self.invoice(100.0, taxes=tax)
                self.assertEqual(invoice.amount_total, 121.0)
                tx = self.transaction(reference, amount=121.0, invoice=invoice)
                refunds = [self.refund(f"re_{minor}", minor)]
                self.tell(self.payment(reference, 12100), self.payment(reference, 12100, version=2, refunds=refunds))
                note = invoice.reversal_move_ids
                self.assertEqual(round(note.amount_total * 100), minor)
                item = tx.child_transaction_ids.payment_id._quittance_customer_item()
                self.assertTrue(item.reconciled)
                by_hand = [("quittance_subject", "=", f"credit:R-{reference}")]
                self.assertFalse(self.env["mail.activity"].search(by_hand))

    def test_a_credit_note_of_the_bookkeepers_is_met_and_none_made(self):
        self.provider.quittance_credit_notes = True
        tx, invoice = self.paid("D-9")
        own = invoice._reverse_moves()
        own.invoice_line_ids.price_unit = 30.0
        own.action_post()
        self.tell(self.payment("D-9", version=2, refunds=[self.refund("re_1", 3000)]))
        self.assertEqual(invoice.reversal_move_ids, own)
        self.assertIn(own.payment_state, ("paid", "in_payment"))
        self.assertTrue(tx.child_transaction_ids.payment_id._quittance_customer_item().reconciled)

    def test_a_credit_note_that_only_a_person_can_make_is_theirs_and_the_refund_booked(self):
        self.provider.quittance_credit_notes = True
        invoice = self.invoice(80.0)
        tx = self.transaction("D-10", invoice=invoice)
        self.tell(self.payment("D-10"), self.payment("D-10", version=2, refunds=[self.refund("re_1", 2000)]))
        self.assertFalse(invoice.reversal_move_ids)
        self.assertTrue(tx.child_transaction_ids.payment_id)
        activity = self.env["mail.activity"].search([("quittance_subject", "=", "credit:R-D-10")])
        self.assertEqual(len(activity), 1)

    def test_the_credit_note_of_a_refund_that_came_back_is_open_again(self):
        self.provider.quittance_credit_notes = True
        _tx, invoice = self.paid("D-11")
        self.tell(self.payment("D-11", version=2, refunds=[self.refund("re_1", 10000)]))
        self.tell(self.payment("D-11", version=3, refunds=[self.refund("re_1", 10000, state="failed")]))
        self.assertEqual(invoice.reversal_move_ids.payment_state, "not_paid")
        again = [self.refund("re_1", 10000, state="failed"), self.refund("re_2", 10000)]
        self.tell(self.payment("D-11", version=4, refunds=again))
        self.assertEqual(len(invoice.reversal_move_ids), 1)
        self.assertIn(invoice.reversal_move_ids.payment_state, ("paid", "in_payment"))
