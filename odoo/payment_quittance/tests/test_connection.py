from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from .common import QuittanceCommon, connection, lost_answer, problem


@tagged("post_install", "-at_install")
class TestConnection(QuittanceCommon):
    def test_connecting_keeps_what_the_service_tells(self):
        self.quittance.write({"state": "disabled", **self.quittance._quittance_forget_values()})

        self.quittance.action_quittance_connect()

        self.assertEqual(self.quittance.quittance_account, "acc_1")
        self.assertEqual(self.quittance.quittance_mode, "test")
        self.assertTrue(self.quittance.quittance_signing_secret.startswith("whsec_"))
        body = self.service.last["json"]
        self.assertEqual(body["company"], str(self.company.id))
        self.assertTrue(body["url"].endswith("/payment/quittance/news"))
        self.assertEqual(self.service.last["headers"]["Quittance-Odoo-Database"], body["database"])

    def test_connecting_again_keeps_the_signing_secret(self):
        self.quittance.action_quittance_connect()

        self.assertEqual(self.quittance.quittance_signing_secret, "whsec_c2VjcmV0")
        self.assertFalse(any(call["json"].get("new_secret") for call in self.service.calls))

    def test_rolling_keeps_the_old_secret_for_a_day(self):
        self.quittance.action_quittance_roll_secret()

        self.assertNotEqual(self.quittance.quittance_signing_secret, "whsec_c2VjcmV0")
        self.assertEqual(self.quittance.quittance_previous_secret, "whsec_c2VjcmV0")
        self.assertGreater(self.quittance.quittance_previous_secret_until, fields.Datetime.now() + timedelta(hours=23))

    def test_a_key_that_may_too_little_is_refused_by_name(self):
        self.service.connection = connection(missing_scopes=["refunds:write"])

        with self.assertRaisesRegex(UserError, "refunds:write"):
            self.quittance.action_quittance_connect()
        self.assertEqual(len(self.service.calls), 1, "no secret is asked for in vain")

    def test_a_clock_that_is_off_is_refused(self):
        told = fields.Datetime.now() - timedelta(seconds=90)
        self.service.connection = connection(server_time=told.isoformat() + "Z")

        with self.assertRaisesRegex(UserError, "clocks"):
            self.quittance.action_quittance_connect()

    def test_a_copied_database_is_told_so(self):
        self.service.break_next(problem(403, "database_mismatch"))

        with self.assertRaisesRegex(ValidationError, "database_mismatch"):
            self.quittance.action_quittance_check()

    def test_no_answer_is_told_to_who_connects(self):
        self.service.break_next(lost_answer())

        with self.assertRaisesRegex(UserError, "did not give an answer"):
            self.quittance.action_quittance_check()

    def test_real_money_needs_a_live_key_and_a_live_key_is_no_test(self):
        with self.assertRaisesRegex(ValidationError, "test key"):
            self.quittance.state = "enabled"
        with self.assertRaisesRegex(ValidationError, "live key"):
            self.quittance.write({"quittance_mode": "live", "state": "test"})

    def test_nothing_is_enabled_without_a_connection(self):
        self.quittance.state = "disabled"
        self.quittance.write(self.quittance._quittance_forget_values())

        with self.assertRaisesRegex(ValidationError, "Connect to Quittance"):
            self.quittance.state = "test"

    def test_another_key_connects_before_it_takes_anything(self):
        self.quittance.quittance_api_key = "qk_test_other"

        self.assertEqual(self.service.last["path"], "/v1/odoo/connection")
        self.assertEqual(self.service.last["headers"]["Authorization"], "Bearer qk_test_other")
        self.assertEqual(self.quittance.state, "test")
        self.assertEqual(self.quittance.quittance_signing_secret, "whsec_c2VjcmV0")

    def test_another_key_that_cannot_connect_is_not_kept(self):
        self.service.break_next(problem(401, "unauthenticated"))

        with self.assertRaisesRegex(ValidationError, "unauthenticated"), self.env.cr.savepoint():
            self.quittance.quittance_api_key = "qk_test_other"

    def test_a_live_key_is_not_slipped_into_a_test(self):
        self.service.connection = connection(mode="live")

        with self.assertRaisesRegex(ValidationError, "live key"), self.env.cr.savepoint():
            self.quittance.quittance_api_key = "qk_live_other"

    def test_another_key_of_a_provider_that_is_off_waits_to_connect(self):
        self.quittance.state = "disabled"
        self.quittance.quittance_api_key = "qk_test_other"

        self.assertFalse(self.service.calls)
        self.assertFalse(self.quittance.quittance_account or self.quittance.quittance_signing_secret)

    def test_another_instance_brings_another_secret(self):
        self.service.connection = connection(odoo_instance="odo_2")

        self.quittance.action_quittance_connect()

        self.assertNotEqual(self.quittance.quittance_signing_secret, "whsec_c2VjcmV0")

    def test_a_provider_that_is_switched_off_takes_no_method_from_its_customers(self):
        token = self.make_token()

        self.quittance.state = "disabled"

        self.assertFalse(token.active)
        self.assertFalse(self.service.calls)

    def test_health_names_what_waits_and_what_is_dead(self):
        self.service.connection = connection(
            messages={"pending": 3, "dead": 2, "oldest_pending_age_s": 40},
            events={"pending": 0, "dead": 1},
            exceptions_open=4,
            webhook={"state": "registered", "problems": ["events missing"]},
        )

        shown = self.quittance.action_quittance_check()["params"]

        self.assertEqual(shown["type"], "warning")
        self.assertIn("events missing", shown["message"])
        self.assertEqual(self.quittance.quittance_dead, 3)
        self.assertEqual(self.quittance.quittance_exceptions, 4)
        self.assertEqual(self.quittance.quittance_webhook_problems, "events missing")
        self.assertIn("40", self.quittance.quittance_lag)

    def test_the_form_renders_with_what_belongs_to_quittance(self):
        arch = self.env["payment.provider"].get_view(view_type="form")["arch"]

        for name in ("quittance_url", "action_quittance_connect", "quittance_dead", "action_quittance_roll_secret"):
            self.assertIn(name, arch)

    def test_a_copy_for_another_company_has_no_key(self):
        copy = self.quittance.copy({"company_id": self.env["res.company"].create({"name": "Another"}).id})

        self.assertFalse(copy.quittance_api_key or copy.quittance_account or copy.quittance_signing_secret)
