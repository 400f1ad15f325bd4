from odoo.tests import tagged

from odoo.addons.payment.tests.http_common import PaymentHttpCommon

from .common import QuittanceCommon, lost_answer


@tagged("post_install", "-at_install")
class TestReturn(QuittanceCommon, PaymentHttpCommon):
    def begin(self):
        tx = self.make_tx("direct")
        values = tx._get_processing_values()
        return tx, values["return_url"], self.service.payments["pay_1"]

    def visit(self, url):
        # The test's own client speaks by `requests` as well, but not by `requests.request`.
        return self.opener.get(url, allow_redirects=False)

    def test_who_comes_back_sees_what_the_service_says(self):
        tx, url, payment = self.begin()
        payment.update(state="captured", version=2)

        response = self.visit(url + "&redirect_status=failed")

        self.assertTrue(response.headers["Location"].endswith("/payment/status"))
        self.assertEqual(tx.state, "done")
        self.assertEqual(self.service.last["params"], {"refresh": "true"})

    def test_a_return_that_nobody_was_sent_to_is_not_found(self):
        _tx, url, _payment = self.begin()
        before = len(self.service.calls)

        self.assertEqual(self.visit(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code, 404)
        self.assertEqual(len(self.service.calls), before)

    def test_who_leaves_stripes_page_calls_the_payment_off(self):
        tx, url, _payment = self.begin()

        self.visit(url + "&left=1")

        self.assertEqual(tx.state, "cancel")

    def test_a_return_without_an_answer_waits_for_news(self):
        tx, url, _payment = self.begin()
        self.service.break_next(lost_answer())

        self.assertEqual(self.visit(url).status_code, 303)
        self.assertEqual(tx.state, "pending")

    def test_a_declined_proof_of_identity_tells_why(self):
        tx, url, payment = self.begin()
        payment.update(decline={"code": "authentication_failed", "message": "Not proven."}, version=2)

        self.visit(url)

        self.assertEqual((tx.state, tx.state_message), ("error", "Not proven."))

    def test_the_pay_form_holds_what_the_script_needs(self):
        values = self.quittance._quittance_inline_values(12.5, self.currency, self.partner.id, False, self.card)

        self.assertIn('"amount_minor": 1250', values)
        self.assertIn('"script_url": "https://js.stripe.com/endive/stripe.js"', values)
        self.assertNotIn("qk_test_key", values)
        self.assertNotIn("whsec_", values)

    def test_the_pay_page_renders_the_inline_form(self):
        response = self._portal_pay(**self._prepare_pay_values())

        self.assertIn("o_quittance_element", response.text)
        self.assertNotIn('<script src="https://js.stripe.com', response.text)
