from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .. import failures
from .common import UNKNOWN, QuittanceCommon, problem, refused_connection


@tagged("post_install", "-at_install")
class TestCallouts(QuittanceCommon):
    def ask(self):
        return self.quittance._quittance_call("POST", "v1/payments", json={"x": 1}, key="odoo.k", reference="S1")

    def test_a_request_carries_key_database_and_idempotency_key_and_ten_seconds(self):
        self.service.break_next((201, {"id": "pay_1"}))

        self.assertEqual(self.ask(), {"id": "pay_1"})
        headers = self.service.last["headers"]
        self.assertEqual(headers["Authorization"], "Bearer qk_test_key")
        self.assertEqual(headers["Idempotency-Key"], "odoo.k")
        self.assertEqual(headers["Quittance-Odoo-Database"], self.quittance._quittance_database())
        self.assertEqual(self.service.last["timeout"], 10)

    def test_what_may_have_happened_is_unknown_and_no_error(self):
        for name, failure in UNKNOWN.items():
            with self.subTest(name):
                self.service.break_next(failure)
                with self.assertRaises(failures.OutcomeUnknownError):
                    self.ask()

    def test_a_refusal_tells_its_detail_and_code(self):
        self.service.break_next(problem(409, "document_in_payment", payment="pay_7"))

        with self.assertRaisesRegex(ValidationError, "because of document_in_payment") as caught:
            self.ask()
        self.assertEqual(failures.code_of(caught.exception), "document_in_payment")

    def test_what_was_never_sent_charged_nothing(self):
        self.service.break_next(refused_connection())

        with self.assertRaisesRegex(ValidationError, "Nothing was charged") as caught:
            self.ask()
        self.assertEqual(failures.code_of(caught.exception), failures.NOT_SENT)

    def test_no_key_body_or_answer_is_in_the_log(self):
        self.service.break_next((201, {"client_secret": "pi_hidden"}))

        with self.assertLogs("odoo.addons", level="DEBUG") as logs:
            self.quittance._quittance_call(
                "POST", "v1/payments", json={"name": "Norbert"}, key="odoo.k", reference="S1"
            )
        text = "\n".join(logs.output)
        self.assertIn("S1", text)
        for hidden in ("qk_test_key", "pi_hidden", "Norbert"):
            self.assertNotIn(hidden, text)
