import base64
import json
from datetime import timedelta

from odoo import fields
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from ..controllers.news import MAX_BYTES
from ..signature import is_signed, sign
from .news_common import SECRET, NewsCommon

OTHER = "whsec_" + base64.b64encode(b"another secret of thirty-two byt").decode()


@tagged("post_install", "-at_install")
class TestNewsRequest(NewsCommon, HttpCase):
    """What is let in at all. Each shortcoming of the stock provider is a test of its own."""

    def test_an_empty_batch_is_a_ping(self):
        answer = self.post_news(self.batch())
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.json(), {"database": self.database, "results": []})

    def test_a_payment_is_done_and_its_invoice_paid_when_the_request_is_answered(self):
        invoice = self.invoice()
        tx = self.transaction("H-1", invoice=invoice)
        message = self.message("payment.updated", self.payment("H-1"))
        answer = self.post_news(self.batch(message))
        result = answer.json()["results"][0]
        self.assertEqual((result["id"], result["result"], result["reason"]), (message["id"], "applied", None))
        self.assertIn({"model": "payment.transaction", "id": tx.id}, result["records"])
        self.assertEqual(tx.state, "done")
        self.assertIn(invoice.payment_state, ("paid", "in_payment"))

    def test_without_a_secret_nothing_is_accepted(self):
        self.provider.quittance_signing_secret = False
        tx = self.transaction("H-2")
        batch = self.batch(self.message("payment.updated", self.payment("H-2")))
        for headers in (None, {"webhook-signature": None}, {"webhook-signature": "v1,"}):
            self.assertEqual(self.post_news(batch, headers=headers).status_code, 401)
        self.assertEqual(tx.state, "draft")

    def test_an_unknown_reference_is_not_answered_before_its_signature_is_checked(self):
        batch = self.batch(self.message("payment.updated", self.payment("H-unknown")))
        self.assertEqual(self.post_news(batch, secrets=(OTHER,)).status_code, 401)

    def test_any_of_several_signatures_will_do_whatever_their_order(self):
        self.assertEqual(self.post_news(self.batch(), secrets=(SECRET, OTHER)).status_code, 200)
        self.assertEqual(self.post_news(self.batch(), secrets=(OTHER, SECRET)).status_code, 200)

    def test_the_secret_before_is_accepted_until_its_time_is_over(self):
        now = fields.Datetime.now()
        self.provider.write(
            {
                "quittance_signing_secret": OTHER,
                "quittance_previous_secret": SECRET,
                "quittance_previous_secret_until": now + timedelta(hours=1),
            }
        )
        self.assertEqual(self.post_news(self.batch(), secrets=(SECRET,)).status_code, 200)
        self.assertEqual(self.post_news(self.batch(), secrets=(OTHER,)).status_code, 200)
        self.provider.quittance_previous_secret_until = now - timedelta(seconds=1)
        self.assertEqual(self.post_news(self.batch(), secrets=(SECRET,)).status_code, 401)

    def test_a_garbled_header_is_refused_and_is_no_failure(self):
        for headers in (
            {"webhook-signature": None},
            {"webhook-signature": ""},
            {"webhook-signature": "v1"},
            {"webhook-signature": "v1,%%%"},
            {"webhook-signature": "t=1,v1=abc"},
            {"webhook-id": None},
            {"webhook-timestamp": None},
            {"webhook-timestamp": "soon"},
            {"webhook-timestamp": "-5"},
            {"webhook-timestamp": "1e9"},
            {"webhook-timestamp": "9" * 40},
        ):
            self.assertEqual(self.post_news(self.batch(), headers=headers).status_code, 401, headers)

    def test_a_time_that_is_off_is_refused_in_the_past_and_in_the_future(self):
        self.assertEqual(self.post_news(self.batch(), at=-290).status_code, 200)
        self.assertEqual(self.post_news(self.batch(), at=290).status_code, 200)
        self.assertEqual(self.post_news(self.batch(), at=-310).status_code, 401)
        self.assertEqual(self.post_news(self.batch(), at=310).status_code, 401)

    def test_a_body_that_was_changed_after_it_was_signed_is_refused(self):
        batch = json.dumps(self.batch()).encode()
        self.assertTrue(is_signed([SECRET], self.headers_for(batch), batch, 1000))
        self.assertFalse(is_signed([SECRET], self.headers_for(batch), batch + b" ", 1000))

    def headers_for(self, body):
        return {
            "webhook-id": "m", "webhook-timestamp": "1000", "webhook-signature": sign(SECRET, "m", 1000, body)
        }  # fmt: skip

    def test_what_is_no_batch_is_a_bad_request(self):
        for body in (b"{", b"[]", b'{"type": "batch"}', b'{"type": "ping", "messages": []}',
                     b'{"type": "batch", "messages": [{"id": 1, "type": "x"}]}',
                     b"\xff\xfe", b"[" * 100000):  # fmt: skip
            self.assertEqual(self.post_news(None, body=body).status_code, 400, body[:40])
        many = [self.message("ledger.booked", {}) for _number in range(51)]
        self.assertEqual(self.post_news(self.batch(*many)).status_code, 400)

    def test_a_body_that_is_too_large_is_not_read(self):
        self.assertEqual(self.post_news(None, body=b" " * (MAX_BYTES + 1)).status_code, 413)

    def test_a_batch_for_another_database_or_company_is_forbidden(self):
        self.assertEqual(self.post_news(self.batch(database="another")).status_code, 403)
        self.assertEqual(self.post_news(self.batch(company="999999")).status_code, 403)
        self.assertEqual(self.post_news(self.batch(company=None)).status_code, 403)

    def test_of_several_companies_the_one_whose_secret_fits_is_told(self):
        other = self.setup_other_company()["company"]
        self.make_provider(other, secret=OTHER)
        self.assertEqual(self.post_news(self.batch(company=str(other.id)), secrets=(OTHER,)).status_code, 200)
        self.assertEqual(self.post_news(self.batch(company=str(other.id)), secrets=(SECRET,)).status_code, 403)

    @mute_logger("odoo.addons.payment_quittance.models.quittance_news")
    def test_a_message_that_cannot_be_read_does_not_lose_the_others(self):
        tx = self.transaction("H-3")
        broken = self.message("payment.updated", {"id": "pay_broken"})
        good = self.message("payment.updated", self.payment("H-3"))
        strange = {"id": "msg_strange", "type": "something.new"}
        answer = self.post_news(self.batch(broken, strange, good))
        self.assertEqual(answer.status_code, 200)
        self.assertEqual([result["result"] for result in answer.json()["results"]], ["rejected", "rejected", "applied"])
        self.assertEqual(tx.state, "done")

    def test_no_secret_and_no_body_is_logged(self):
        self.transaction("H-4")
        with self.assertLogs("odoo.addons.payment_quittance", level="DEBUG") as logs:
            broken = {"id": "pay_x", "customer": {"partner": "private"}}
            self.post_news(self.batch(self.message("payment.updated", broken)))
        text = "\n".join(logs.output)
        self.assertNotIn(SECRET, text)
        self.assertNotIn("private", text)
