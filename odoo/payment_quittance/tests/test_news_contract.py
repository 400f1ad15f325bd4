import json
from pathlib import Path

from odoo.tests import BaseCase, tagged

from ..controllers.news import QuittanceNews
from ..models.quittance_news import SUBJECTS
from ..signature import is_signed

RECORDED = Path(__file__).parents[3] / "tests" / "contract" / "messages"


@tagged("post_install", "-at_install")
class TestNewsContract(BaseCase):
    """What Quittance itself recorded of its messages. They are beside the addon in its repository only."""

    def recorded(self):
        files = sorted(RECORDED.glob("*.json"))
        if not files:
            self.skipTest("the recorded messages are not here")
        for file in files:
            with self.subTest(file.name):
                yield json.loads(file.read_text())

    def test_what_quittance_signed_is_accepted_to_the_byte(self):
        for recorded in self.recorded():
            headers, body = recorded["headers"], recorded["body"].encode()
            now = int(headers["webhook-timestamp"])
            self.assertTrue(is_signed([recorded["secret"]], headers, body, now))
            self.assertFalse(is_signed([recorded["secret"]], headers, body + b" ", now))

    def test_every_recorded_message_is_of_a_kind_that_is_known_and_has_its_subject(self):
        for recorded in self.recorded():
            batch = QuittanceNews._parse(recorded["body"].encode())
            for message in batch["messages"]:
                told = message[SUBJECTS[message["type"]]]
                self.assertTrue(told.get("id") or told["source"])
