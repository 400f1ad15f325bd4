from odoo.tests import TransactionCase, tagged

from .. import utils


@tagged("post_install", "-at_install")
class TestKeys(TransactionCase):
    def test_the_key_is_as_the_contract_says(self):
        key = utils.idempotency_key("5d0a", "1", "S00042-1", "pay", 12100, 1)

        self.assertEqual(key, "odoo.ba709d3caaa6a0cfeb0990d126f001aa")

    def test_every_part_makes_another_key(self):
        parts = ("5d0a", "1", "S00042-1", "pay", 12100, 1)
        others = {utils.idempotency_key(*parts[:at], "other", *parts[at + 1 :]) for at in range(len(parts))}

        self.assertEqual(len(others | {utils.idempotency_key(*parts)}), 7)

    def test_amounts_become_whole_minor_units_by_iso_4217(self):
        for amount, code, minor in [
            (1111.11, "EUR", 111111),
            (0.29, "EUR", 29),
            (1234, "JPY", 1234),
            (0.001, "KWD", 1),
            (5, "ISK", 5),
            (1.005, "EUR", None),
            (0.5, "JPY", None),
        ]:
            with self.subTest(amount=amount, code=code):
                self.assertEqual(utils.to_minor(amount, code), minor)

    def test_a_secret_is_not_shown_and_still_handed_on(self):
        secret = utils.Secret("pi_secret")

        self.assertNotIn("pi_secret", repr({"client_secret": secret}))
        self.assertEqual(secret, "pi_secret")

    def test_plain_http_is_for_test_keys_and_private_addresses(self):
        for url, mode, problem in [
            ("https://pay.example.com", "live", None),
            ("http://127.0.0.1:8080", "test", None),
            ("http://10.1.2.3", "test", None),
            ("http://localhost:8080", False, None),
            ("http://127.0.0.1:8080", "live", "plain"),
            ("http://pay.example.com", "test", "plain"),
            ("ftp://pay.example.com", "test", "invalid"),
            ("https://user:pw@pay.example.com", "test", "invalid"),
            ("https://pay.example.com:port", "test", "invalid"),
            ("pay.example.com", "test", "invalid"),
        ]:
            with self.subTest(url=url, mode=mode):
                self.assertEqual(utils.url_problem(url, mode), problem)
