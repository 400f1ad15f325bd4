from datetime import date

from odoo.tests import tagged

from .news_common import NewsCommon


@tagged("post_install", "-at_install")
class TestNewsOthers(NewsCommon):
    """Disputes, saved methods and setups."""

    def take(self, kind, told, **values):
        result = self.take_in(self.message(kind, told, **values))[0]
        self.assertEqual(result["result"], "applied", result)
        return result

    # === Disputes === #

    def dispute(self, version, state, due="2030-12-08T00:00:00Z", reference="O-1"):
        return {
            "id": "dsp_1", "version": version, "payment": "pay_o1", "reference": reference,
            "provider_reference": "dp_1",
            "charge": "ch_o1", "state": state, "reason": "fraudulent", "currency": self.currency.name,
            "amount_minor": 10000, "due_at": due, "opened_at": "2030-11-30T03:00:00Z",
        }  # fmt: skip

    def activities(self):
        return self.env["mail.activity"].search([("quittance_subject", "=", "dsp_1")])

    def test_a_dispute_is_an_activity_of_the_salesperson_with_stripes_deadline_once(self):
        invoice = self.invoice()
        self.transaction("O-1", invoice=invoice)
        self.tell(self.payment("O-1"))
        self.take("dispute.updated", self.dispute(1, "needs_response"))
        activity = self.activities()
        self.assertEqual((activity.res_model, activity.res_id), ("account.move", invoice.id))
        self.assertEqual((activity.user_id, activity.date_deadline), (invoice.invoice_user_id, date(2030, 12, 8)))
        self.take("dispute.updated", self.dispute(2, "needs_response", due="2030-12-10T00:00:00Z"))
        self.assertEqual(self.activities(), activity)
        self.assertEqual(activity.date_deadline, date(2030, 12, 10))
        notes = invoice.message_ids.filtered(lambda message: "dp_1" in message.body)
        self.assertEqual(len(notes), 2)

    def test_a_dispute_that_is_over_has_its_activity_done(self):
        for version, state in ((2, "under_review"), (4, "won"), (6, "lost")):
            invoice = self.invoice()
            reference = f"O-1x{version}"
            self.transaction(reference, invoice=invoice)
            self.take("dispute.updated", self.dispute(version - 1, "needs_response", reference=reference))
            self.assertEqual(len(self.activities()), 1)
            self.take("dispute.updated", self.dispute(version, state, reference=reference))
            self.assertFalse(self.activities())

    def test_a_dispute_of_a_payment_that_odoo_does_not_know_is_still_somebodys(self):
        self.take("dispute.updated", self.dispute(1, "needs_response", reference=None))
        self.assertEqual(self.activities().res_model, "res.partner")
        self.assertTrue(self.activities().user_id)

    def test_an_older_word_on_a_dispute_is_stale(self):
        self.take("dispute.updated", self.dispute(3, "won", reference=None))
        result = self.take_in(self.message("dispute.updated", self.dispute(2, "needs_response", reference=None)))[0]
        self.assertEqual(result["result"], "stale")
        self.assertFalse(self.activities())

    # === Saved methods === #

    def method(self, **told):
        return {"id": "pmt_9", "kind": "card", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030,
                "state": "active", **told}  # fmt: skip

    def setup_news(self, reference, state="succeeded", version=2):
        return {"id": "set_1", "version": version, "reference": reference, "state": state, "decline": None,
                "customer": {"id": "cus_1", "partner": f"{self.database}|{self.partner.id}"},
                "payment_method": self.method()}  # fmt: skip

    def tokens(self):
        return self.env["payment.token"].with_context(active_test=False).search([("provider_ref", "=", "pmt_9")])

    def test_a_setup_finishes_its_validation_and_keeps_the_method_once(self):
        tx = self.transaction("O-2", amount=0.0, operation="validation", tokenize=True)
        self.take("setup.updated", self.setup_news("O-2"))
        self.assertEqual(tx.state, "done")
        token = self.tokens()
        self.assertEqual((tx.token_id, token.partner_id, token.payment_details), (token, self.partner, "4242"))
        self.assertEqual(token.quittance_customer, "cus_1")
        self.take("setup.updated", self.setup_news("O-2", version=3))
        self.assertEqual(len(self.tokens()), 1)
        self.assertFalse(tx.payment_id)

    def test_a_setup_whose_validation_odoo_rolled_back_keeps_the_method_all_the_same(self):
        self.take("setup.updated", self.setup_news("O-lost"))
        self.assertEqual(self.tokens().partner_id, self.partner)
        self.take("setup.updated", self.setup_news("O-lost", version=3))
        self.assertEqual(len(self.tokens()), 1)

    def test_a_setup_that_failed_keeps_nothing(self):
        tx = self.transaction("O-3", amount=0.0, operation="validation", tokenize=True)
        self.take("setup.updated", self.setup_news("O-3", state="failed"))
        self.assertEqual(tx.state, "error")
        self.assertFalse(self.tokens())

    def test_a_payment_that_saves_its_method_keeps_it(self):
        tx = self.transaction("O-4", tokenize=True)
        self.tell(self.payment("O-4", payment_method=self.method()))
        self.assertEqual(tx.token_id, self.tokens())

    def test_a_method_that_is_gone_is_archived_and_a_new_card_number_shown(self):
        self.take("setup.updated", self.setup_news("O-lost"))
        self.take("payment_method.updated", self.method(last4="1881"), sequence=1)
        self.assertEqual((self.tokens().payment_details, self.tokens().active), ("1881", True))
        self.take("payment_method.updated", self.method(state="detached"), sequence=2)
        self.assertFalse(self.tokens().active)
        result = self.take_in(self.message("payment_method.updated", self.method(), sequence=1))[0]
        self.assertEqual(result["result"], "stale")

    # === Sale orders === #

    def test_a_payment_of_an_order_that_odoo_rolled_back_confirms_the_order(self):
        if "sale.order" not in self.env:
            self.skipTest("the module sale is not installed")
        product = self.env["product.product"].create({"name": "Thing", "list_price": 100.0, "taxes_id": False})
        order = (
            self.env["sale.order"]
            .sudo()
            .create(
                {
                    "partner_id": self.partner.id,
                    "order_line": [(0, 0, {"product_id": product.id, "product_uom_qty": 1})],
                }
            )
        )
        self.assertEqual((order.amount_total, order.currency_id), (100.0, self.currency))
        settles = [{"model": "sale.order", "id": order.id, "amount_minor": 10000}]
        self.tell(self.payment("O-5", settles=settles))
        tx = self.env["payment.transaction"].search([("reference", "=", "O-5")])
        self.assertEqual((tx.sale_order_ids, tx.partner_id), (order, self.partner))
        self.assertEqual(order.state, "sale")
        self.assertTrue(tx.payment_id)
