import logging

from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.release import version_info
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import CARD, UNKNOWN, QuittanceCommon, lost_answer, problem, refused_connection

CORE = "odoo.addons.payment.models.payment_transaction"


@tagged("post_install", "-at_install")
class TestFlows(QuittanceCommon):
    # === In the browser ===

    def test_the_inline_form_gets_what_the_script_needs(self):
        tx = self.make_tx("direct")

        values = tx._get_processing_values()

        self.assertEqual(values["client_secret"], "pi_1_secret")
        self.assertIn("/payment/quittance/return?reference=", values["return_url"])
        body = self.service.last["json"]
        self.assertEqual(body["amount_minor"], 111111)
        self.assertEqual(body["currency"], "EUR")
        self.assertEqual(body["capture_method"], "automatic")
        self.assertEqual(body["payment_method_types"], ["card"])
        self.assertEqual(tx.quittance_payment, "pay_1")
        self.assertEqual(tx.provider_reference, "pi_1")
        self.assertEqual(tx.state, "draft")

    def test_the_secret_of_a_payment_is_in_no_log(self):
        with self.assertLogs("odoo.addons", level="DEBUG") as logs:
            logging.getLogger(CORE).info("begin")
            self.make_tx("direct")._get_processing_values()
            self.make_tx("redirect", reference="page")._get_processing_values()
        self.assertNotIn("pi_1_secret", "\n".join(logs.output))
        self.assertNotIn("checkout.example.com", "\n".join(logs.output))

    def test_stripes_page_is_reached_with_all_parts_of_its_address(self):
        self.quittance.quittance_flow = "page"

        values = self.make_tx("redirect")._get_processing_values()

        self.assertIn('action="https://checkout.example.com/c/pay#frag"', values["redirect_form_html"])
        self.assertIn('name="x"', values["redirect_form_html"])
        page = self.service.last["json"]
        self.assertIn("left=1", page["cancel_url"])
        self.assertNotIn("return_url", page["payment"])

    def test_saving_asks_for_future_use_of_a_customer(self):
        self.make_tx("direct", tokenize=True)._get_processing_values()

        body = self.service.last["json"]
        self.assertEqual(body["setup_future_usage"], "off_session")
        self.assertEqual(body["customer"], "cus_1")
        partner = self.service.asked("/v1/customers")[0]["json"]["partner"]
        self.assertEqual(partner, f"{self.quittance._quittance_database()}|{self.partner.id}")

    def test_leaving_a_method_without_paying_is_a_setup(self):
        tx = self.make_tx("direct", operation="validation", amount=0, tokenize=True)

        values = tx._get_processing_values()

        self.assertEqual(values["client_secret"], "seti_secret")
        self.assertNotIn("redirect_form_html", values)
        self.assertEqual(tx.quittance_payment, "set_1")

    @mute_logger(CORE)
    def test_a_refusal_is_kept_so_that_the_next_attempt_is_another(self):
        self.service.break_next(problem(409, "document_in_payment"))
        tx = self.make_tx("direct")
        self.service.broken.insert(0, (200, {"id": "cus_1"}))  # The customer is asked for first.

        values = tx._get_processing_values()

        self.assertEqual(tx.state, "error")
        self.assertIn("document_in_payment", values["quittance_error"])

    def test_a_payment_that_is_not_ready_is_asked_for_again_under_its_key(self):
        keys = []
        for failure in (lost_answer(), None):
            self.service.broken = [(200, {"id": "cus_1"}), failure] if failure else []
            with self.rolled_back():
                tx = self.make_tx("direct", reference="S00042")
                if failure:
                    self.assertRaisesRegex(ValidationError, "Nothing was charged", tx._get_processing_values)
                else:
                    tx._get_processing_values()
                keys.append(self.service.asked("/v1/payments")[-1]["headers"]["Idempotency-Key"])
        self.assertEqual(keys[0], keys[1])

    # === Saved methods ===

    def test_a_saved_method_is_charged_once_where_odoo_forgets_it(self):
        token = self.make_token()
        with self.rolled_back():
            self.charge(self.make_tx("token", reference="S00042", token_id=token.id))
        tx = self.make_tx("token", reference="S00042", token_id=token.id)
        self.charge(tx)

        self.assertEqual(len(self.service.payments), 1)
        self.assertEqual(tx.state, "done")
        self.assertEqual(tx.quittance_payment, "pay_1")

    def test_a_charge_with_an_unknown_outcome_is_pending_and_no_error(self):
        for number, (name, failure) in enumerate(UNKNOWN.items()):
            with self.subTest(name):
                tx = self.make_tx("token", reference=f"T{number}", token_id=self.make_token().id)
                self.service.break_next(failure)
                self.charge(tx)
                self.assertEqual(tx.state, "pending")
                self.assertIn("not known yet", tx.state_message)

    def test_a_charge_that_is_refused_or_never_left_is_an_error(self):
        for number, failure in enumerate((problem(422, "provider_refused"), refused_connection())):
            tx = self.make_tx("token", reference=f"T{number}", token_id=self.make_token().id)
            self.service.break_next(failure)
            self.charge(tx)
            self.assertEqual(tx.state, "error")

    def test_a_declined_charge_tells_why(self):
        tx = self.make_tx("token", operation="offline", token_id=self.make_token().id)
        decline = {"code": "authentication_required", "message": "Your bank wants to see you."}
        self.service.break_next((201, {"id": "pay_1", "version": 1, "state": "created", "decline": decline}))

        self.charge(tx)

        self.assertEqual(tx.state, "error")
        self.assertIn("payment link", tx.state_message)

    def test_the_customer_is_there_in_an_online_charge_only(self):
        for operation, absent in (("online_token", False), ("offline", True)):
            tx = self.make_tx("token", reference=operation, operation=operation, token_id=self.make_token().id)
            self.charge(tx)
            body = self.service.last["json"]
            self.assertEqual(body["off_session"], absent)
            self.assertEqual("return_url" in body, not absent)
            self.assertNotIn("setup_future_usage", body)

    def test_a_saved_method_that_wants_proof_sends_the_customer_to_the_bank(self):
        tx = self.make_tx("token", token_id=self.make_token().id)
        action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank.example.com"}}
        payment = {"id": "pay_1", "version": 1, "state": "requires_action", "next_action": action}
        self.service.payments["pay_1"] = payment
        self.service.break_next((201, payment))

        self.charge(tx)
        values = tx._get_processing_values()

        self.assertEqual(tx.state, "pending")
        self.assertEqual(values["quittance_redirect"], "https://bank.example.com")

    def test_a_payment_that_saves_makes_a_token_once(self):
        tx = self.make_tx("direct", tokenize=True)
        tx._get_processing_values()
        told = {**self.service.payments["pay_1"], "state": "captured", "version": 2, "payment_method": CARD}

        tx._quittance_process(told)
        again = self.make_tx("direct", reference="again", tokenize=True)
        again._quittance_process({**told, "id": "pay_2"})

        self.assertEqual(tx.token_id.provider_ref, "pmt_1")
        self.assertEqual(tx.token_id.payment_details, "4242")
        self.assertEqual(tx.token_id.quittance_customer, "cus_1")
        self.assertEqual(again.token_id, tx.token_id)
        self.assertFalse(again.tokenize)

    def test_a_setup_makes_a_token_from_the_method_that_it_names(self):
        tx = self.make_tx("direct", operation="validation", amount=0, tokenize=True)
        tx._get_processing_values()

        tx._quittance_process({"id": "set_1", "state": "succeeded", "payment_method": "pmt_5", "customer": "cus_1"})

        self.assertEqual(tx.state, "done")
        self.assertEqual(tx.token_id.provider_ref, "pmt_5")

    def test_an_archived_token_is_detached_and_archived_even_where_that_fails(self):
        first, second = self.make_token(), self.make_token()
        first.active = False
        self.service.break_next(lost_answer())
        with mute_logger("odoo.addons.payment_quittance.models.payment_token"):
            second.active = False

        self.assertEqual(self.service.calls[0]["path"], "/v1/payment_methods/pmt_1/detach")
        self.assertFalse(first.active or second.active)

    # === What is held ===

    def test_a_capture_in_two_parts_keeps_the_rest_held_until_the_last(self):
        tx = self.make_held(amount=100)

        first = self.capture(tx, 60)
        self.assertEqual(first.state, "done")
        self.assertEqual(tx.state, "authorized")
        second = self.capture(tx, 40)

        self.assertEqual(second.state, "done")
        self.assertEqual(tx.state, "done")
        finals = [call["json"]["final"] for call in self.service.calls if call["path"].endswith("/capture")]
        self.assertEqual(finals, [False, True])

    def test_the_whole_is_captured_at_once(self):
        tx = self.make_held(amount=100)

        self.capture(tx)

        self.assertEqual(tx.state, "done")
        self.assertTrue(self.service.last["json"]["final"])

    def test_the_wizard_lets_go_of_the_rest_by_the_capture_itself(self):
        tx = self.make_held(amount=100)
        wizard = self.env["payment.capture.wizard"].create(
            {"transaction_ids": [Command.set(tx.ids)], "amount_to_capture": 60, "void_remaining_amount": True}
        )

        wizard.action_capture()

        self.assertEqual(sorted(tx.child_transaction_ids.mapped("state")), ["cancel", "done"])
        self.assertEqual(tx.state, "done")
        changes = [call for call in self.service.calls if call["path"].startswith("/v1/payments/pay_1/")]
        self.assertEqual([(call["path"][-8:], call["json"]["final"]) for call in changes], [("/capture", True)])

    @mute_logger(CORE)
    def test_a_failed_capture_does_not_let_go_of_everything(self):
        tx = self.make_held(amount=100)
        wizard = self.env["payment.capture.wizard"].create(
            {"transaction_ids": [Command.set(tx.ids)], "amount_to_capture": 60, "void_remaining_amount": True}
        )
        self.service.break_next(problem(422, "provider_refused"))

        wizard.action_capture()

        self.assertEqual(tx.state, "authorized")
        self.assertFalse([call for call in self.service.calls if call["path"].endswith("/cancel")])

    def test_a_capture_with_an_unknown_outcome_is_pending_and_follows_the_news(self):
        tx = self.make_held(amount=100)
        self.service.break_next(UNKNOWN["202"])
        wizard = self.env["payment.capture.wizard"].create(
            {"transaction_ids": [Command.set(tx.ids)], "amount_to_capture": 60, "void_remaining_amount": True}
        )
        wizard.action_capture()
        capture = tx.child_transaction_ids.filtered("quittance_final")
        self.assertEqual(set(tx.child_transaction_ids.mapped("state")), {"pending"})

        operation = {"id": "op_1", "kind": "capture", "state": "succeeded", "reference": capture.reference}
        tx._quittance_process(
            {**self.service.payments["pay_1"], "version": 2, "state": "captured", "operations": [operation]}
        )

        self.assertEqual(sorted(tx.child_transaction_ids.mapped("state")), ["cancel", "done"])
        self.assertEqual(tx.state, "done")

    def test_a_void_lets_go_of_all_that_is_held(self):
        whole = self.make_held(amount=100)
        self.void(whole)
        self.assertEqual(whole.state, "cancel")

        part = self.make_held(amount=100, reference="part")
        self.capture(part, 60)
        self.void(part, 40)
        self.assertEqual(sorted(part.child_transaction_ids.mapped("state")), ["cancel", "done"])
        self.assertEqual(part.state, "done")

    # === Giving back ===

    def test_refunds_in_parts_are_children_each_under_its_own_key(self):
        tx = self.make_paid(amount=100)

        refunds = self.refund(tx, 30) | self.refund(tx, 20)

        self.assertEqual(refunds.mapped("state"), ["done", "done"])
        self.assertEqual(sorted(refunds.mapped("amount")), [-30, -20])
        asked = self.service.asked("/v1/payments/pay_1/refunds")
        self.assertEqual([call["json"]["amount_minor"] for call in asked], [3000, 2000])
        self.assertEqual(len({call["headers"]["Idempotency-Key"] for call in asked}), 2)

    def test_a_refund_whose_answer_is_lost_is_pending_and_asked_for_again_under_its_key(self):
        tx = self.make_paid(amount=100)
        self.service.break_next(lost_answer())
        refund = self.refund(tx, 30)
        self.assertEqual(refund.state, "pending")

        refund.action_quittance_refresh()

        self.assertEqual(refund.state, "done")
        asked = self.service.asked("/v1/payments/pay_1/refunds")
        self.assertEqual(len({call["headers"]["Idempotency-Key"] for call in asked}), 1)
        self.assertEqual(len(self.service.payments["pay_1"]["refunds"]), 1)

    def test_a_refund_of_a_part_that_was_captured_is_the_payments(self):
        tx = self.make_held(amount=100)
        part = self.capture(tx, 60)

        refund = self.refund(part, 10)

        self.assertEqual(refund.state, "done")
        self.assertEqual(self.service.last["path"], "/v1/payments/pay_1/refunds")

    def test_a_refund_on_its_way_waits_and_one_that_comes_back_is_an_error(self):
        tx = self.make_paid(amount=100)
        refund = self.refund(tx, 30)
        payment = self.service.payments["pay_1"]

        payment["refunds"][0]["state"] = "failed"
        payment["version"] += 1
        tx._quittance_process(payment)

        self.assertEqual(refund.state, "error")

    def test_only_who_may_change_transactions_asks_for_them(self):
        tx = self.make_paid()

        with self.assertRaises(AccessError):
            tx.with_user(self.internal_user).action_quittance_refresh()

    # === What is told ===

    def test_what_is_older_than_what_is_known_changes_nothing(self):
        tx = self.make_tx("direct")
        tx._get_processing_values()
        payment = self.service.payments["pay_1"]
        tx._quittance_process({**payment, "version": 5, "state": "processing"})

        tx._quittance_process({**payment, "version": 4, "state": "failed"})

        self.assertEqual((tx.state, tx.quittance_version), ("pending", 5))

    def test_a_payment_that_was_given_up_and_is_paid_all_the_same_is_paid(self):
        tx = self.make_tx("direct")
        tx._get_processing_values()
        payment = self.service.payments["pay_1"]
        tx._quittance_process({**payment, "version": 2, "state": "canceled"})
        self.assertEqual(tx.state, "cancel")

        tx._quittance_process({**payment, "version": 3, "state": "captured"})

        self.assertEqual(tx.state, "done")

    @mute_logger(CORE, "odoo.addons.payment_quittance.models.payment_transaction")
    def test_another_payment_or_another_amount_is_not_taken_for_this_one(self):
        tx = self.make_tx("direct")
        tx._get_processing_values()
        payment = self.service.payments["pay_1"]

        tx._quittance_process({**payment, "id": "pay_other", "state": "captured"})
        self.assertEqual(tx.state, "draft")
        tx._quittance_process({**payment, "amount_minor": 1, "state": "captured"})
        self.assertEqual(tx.state, "error")

    def test_documents_are_named_with_their_shares(self):
        invoices = self.env["account.move"]
        for price in (100, 50):
            invoices |= self.env["account.move"].create(
                {
                    "move_type": "out_invoice",
                    "partner_id": self.partner.id,
                    "currency_id": self.currency.id,
                    "invoice_line_ids": [Command.create({"name": "x", "price_unit": price, "tax_ids": []})],
                }
            )
        tx = self.make_tx("direct", amount=120, invoice_ids=[Command.set(invoices.ids)])

        shares = [(one["id"], one["amount_minor"]) for one in tx._quittance_settles()]

        self.assertEqual(shares, [(invoices[0].id, 10000), (invoices[1].id, 2000)])

    def test_orders_are_named_where_sales_are_installed(self):
        if "sale.order" not in self.env:
            self.skipTest("sale is not installed")
        product = self.env["product.product"].create({"name": "x", "list_price": 80, "taxes_id": []})
        order = self.env["sale.order"].create(
            {"partner_id": self.partner.id, "order_line": [Command.create({"product_id": product.id})]}
        )
        tx = self.make_tx(
            "direct", amount=50, currency_id=order.currency_id.id, sale_order_ids=[Command.set(order.ids)]
        )

        settled = [{"model": "sale.order", "id": order.id, "amount_minor": 5000}]
        self.assertEqual(tx._quittance_settles(), settled)

    def test_each_company_asks_with_a_key_of_its_own(self):
        company = self.env["res.company"].create({"name": "Another"})
        other = self.quittance.copy({"company_id": company.id})
        other.write({"quittance_url": "https://pay.example.com", "quittance_api_key": "qk_test_other"})

        other._quittance_connect()
        self.assertEqual(self.service.last["json"]["company"], str(company.id))
        self.assertEqual(self.service.last["headers"]["Authorization"], "Bearer qk_test_other")
        keys = {provider._quittance_key("pay", "S00042", 100) for provider in self.quittance | other}
        self.assertEqual(len(keys), 2)

    def test_amounts_with_parts_of_a_unit_are_not_asked_for(self):
        yen = self._enable_currency("JPY") if version_info[0] >= 19 else self._prepare_currency("JPY")
        yen.rounding = 0.01
        tx = self.make_tx("token", amount=10.5, currency_id=yen.id, token_id=self.make_token().id)

        self.charge(tx)

        self.assertEqual(tx.state, "error")
        self.assertFalse(self.service.calls)

    def test_the_methods_of_a_payment_follow_what_was_paid_with(self):
        tx = self.make_tx("direct")
        tx._get_processing_values()
        told = {**self.service.payments["pay_1"], "version": 2, "state": "captured"}

        tx._quittance_process({**told, "payment_method": {"id": "pmt_2", "kind": "sepa_debit"}})

        self.assertEqual(tx.payment_method_id.code, "sepa_direct_debit")
