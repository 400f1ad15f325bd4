import json

from odoo.tests import tagged

from odoo.addons.payment.tests.http_common import PaymentHttpCommon

from .common import QuittanceCommon, problem

# Fills the form in as a customer does. It ends on the page of the payment's status, or where a message is shown.
PAY = """
(async () => {
    const wanted = %s;
    const until = async (find) => {
        for (let tries = 0; tries < 400; tries++) {
            const found = find();
            if (found) {
                return found;
            }
            await new Promise((resolve) => setTimeout(resolve, 25));
        }
        throw new Error(`not there: ${find}`);
    };
    const button = () => document.querySelector('button[name="o_payment_submit_button"]:not([disabled])');
    if (wanted.form) {
        await until(() => document.querySelector('[name="o_quittance_element"][data-drawn]'));
    }
    if (wanted.save) {
        document.querySelector('input[name="o_payment_tokenize_checkbox"]').click();
    }
    (await until(button)).click();
    if (wanted.message) {
        await until(() => document.body.textContent.includes(wanted.message));
        console.log("quittance: arrived");
    }
})();
"""


@tagged("post_install", "-at_install")
class TestPayForm(QuittanceCommon, PaymentHttpCommon):
    """The pay form in a real browser, with a stand-in of Stripe's script."""

    def setUp(self):
        super().setUp()
        script = "/payment_quittance/static/tests/stripe_stand_in.js"
        self.env["ir.config_parameter"].set_param("payment_quittance.stripe_js_url", script)
        self.dummy_provider.state = "disabled"
        self.service.customer_pays = True

    def pay(self, path="/payment/pay", **wanted):
        """Open a pay page and press the button. The transaction that was made by it, if one was kept."""
        if path == "/payment/pay":
            values = self._prepare_pay_values(partner=self.portal_user.partner_id, reference="S00042")
            path += "?" + "&".join(f"{name}={value}" for name, value in values.items())
        code = PAY % json.dumps({"form": True, **wanted})
        login = self.portal_user.login
        self.browser_js(path, code, login=login, timeout=25, success_signal="quittance: arrived")
        return self.env["payment.transaction"].search([("provider_code", "=", "quittance")], limit=1)

    def test_a_customer_pays_in_the_page(self):
        tx = self.pay()

        self.assertEqual((tx.state, tx.quittance_payment), ("done", "pay_1"))
        self.assertFalse(tx.token_id)

    def test_a_customer_pays_in_the_page_and_has_the_card_kept(self):
        tx = self.pay(save=True)

        self.assertEqual((tx.state, tx.token_id.provider_ref), ("done", "pmt_1"))
        self.assertEqual(self.service.asked("/v1/payments")[0]["json"]["setup_future_usage"], "off_session")

    def test_a_customer_leaves_a_card_without_paying(self):
        tx = self.pay(path="/my/payment_method")

        self.assertEqual((tx.operation, tx.state, tx.token_id.provider_ref), ("validation", "done", "pmt_1"))

    def test_a_customer_pays_by_a_saved_card(self):
        token = self.make_token(partner_id=self.portal_user.partner_id.id)

        tx = self.pay(form=False)

        self.assertEqual((tx.state, tx.token_id), ("done", token))

    def test_a_customer_is_sent_to_stripes_page(self):
        self.quittance.quittance_flow = "page"
        self.service.page_url = f"{self.base_url()}/payment/status?page=1"

        tx = self.pay(form=False)

        self.assertEqual((tx.operation, tx.state), ("online_redirect", "draft"))
        self.assertEqual(len(self.service.asked("/v1/checkout_sessions")), 1)

    def test_a_decline_is_told_where_the_customer_is(self):
        self.service.client_secret = "pi_declined_secret"

        tx = self.pay(message="Your card was declined.")

        self.assertEqual(tx.state, "draft")

    def test_a_refusal_is_told_where_the_customer_is(self):
        for flow in ("inline", "page"):
            with self.subTest(flow):
                self.quittance.quittance_flow = flow
                self.service.broken = [(200, {"id": "cus_1"}), problem(409, "document_in_payment")]
                self.pay(form=flow == "inline", message="because of document_in_payment")
