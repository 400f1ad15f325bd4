import json
from contextlib import contextmanager
from unittest.mock import patch

import requests
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from odoo import fields
from odoo.release import version_info

from odoo.addons.payment.tests.common import PaymentCommon

URL = "https://pay.example.com"


class StubService:
    """Quittance, as far as the addon sees it: answers each call by its route, and remembers what was asked.

    It repeats its answer under the same key, as the service does. `break_next` is the one place for what can go wrong.
    """

    def __init__(self):
        self.calls = []
        self.payments = {}
        self.answers = {}
        self.broken = []
        self.connection = connection()
        self.customer_pays = False
        self.client_secret = None
        self.page_url = "https://checkout.example.com/c/pay?x=1#frag"

    # What tests say

    def break_next(self, failure):
        """Let the next call end otherwise: an exception, or a (status, body)."""
        self.broken.append(failure)

    def asked(self, path):
        """All calls of a path, oldest first."""
        return [call for call in self.calls if call["path"] == path]

    @property
    def last(self):
        return self.calls[-1]

    # What Odoo sees

    def request(self, method, url, headers=None, timeout=None, **payload):
        """Stand in for `requests.request`."""
        path = url.removeprefix(URL)
        call = {"method": method, "path": path, "headers": headers or {}, "timeout": timeout, **payload}
        self.calls.append(call)
        if self.broken:
            failure = self.broken.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return answer(*failure)
        key = call["headers"].get("Idempotency-Key")
        if key and key in self.answers:
            return answer(*self.answers[key])
        status, body = self.serve(method, path, payload.get("json") or {}, payload.get("params") or {})
        if key:
            self.answers[key] = (status, json.loads(json.dumps(body)))
        return answer(status, body)

    def serve(self, method, path, body, params):  # noqa: C901
        parts = path.strip("/").split("/")[1:]
        match (method, *parts):
            case (_, "odoo", "connection"):
                secret = {"signing_secret": f"whsec_{len(self.calls)}"} if body.get("new_secret") else {}
                return 200, {**self.connection, **secret}
            case ("POST", "customers"):
                return 200, {"id": "cus_1", "partner": body["partner"]}
            case ("POST", "payments"):
                return 201, self.make_payment(body)
            case ("POST", "checkout_sessions"):
                payment = self.make_payment(body["payment"], client_secret=None)
                return 201, {"id": "chk_1", "url": self.page_url, "payment": payment}
            case ("POST", "setups"):
                setup = {
                    "id": "set_1",
                    "state": "created",
                    "client_secret": "seti_secret",
                    "customer": body["customer"],
                }
                self.payments["set_1"] = setup
                return 201, setup
            case ("GET", "payments"):
                found = [one for one in self.payments.values() if one.get("reference") == params["reference"]]
                return 200, {"data": found[::-1]}
            case ("GET", "payments" | "setups", known):
                if self.customer_pays:
                    done = "succeeded" if known.startswith("set_") else "captured"
                    self.payments[known].update(state=done, version=9, payment_method=CARD, client_secret=None)
                return 200, self.payments[known]
            case ("GET", "payment_methods", known):
                return 200, {**CARD, "id": known}
            case ("POST", "payment_methods", known, "detach"):
                return 200, {**CARD, "id": known, "state": "detached"}
            case ("POST", "payments", known, change):
                return 200, self.change(self.payments[known], change, body)
        raise AssertionError(f"nothing serves {method} {path}")

    def make_payment(self, body, **values):
        number = len(self.payments) + 1
        charged = "payment_method" in body
        held = body["capture_method"] == "manual"
        payment = {
            "id": f"pay_{number}",
            "version": 1,
            "reference": body["reference"],
            "provider_reference": f"pi_{number}",
            "state": ("authorized" if held else "captured") if charged else "created",
            "decline": None,
            "currency": body["currency"],
            "amount_minor": body["amount_minor"],
            "customer": body.get("customer"),
            "client_secret": self.client_secret or f"pi_{number}_secret",
            "operations": [],
            "refunds": [],
            **values,
        }
        self.payments[payment["id"]] = payment
        return payment

    def change(self, payment, change, body):
        kind = {"refunds": "refund"}.get(change, change)
        number = len(payment["operations"]) + 1
        operation = {"id": f"op_{number}", "kind": kind, "state": "succeeded", "reference": body.get("reference")}
        payment["operations"].append({**operation, "amount_minor": body.get("amount_minor", 0)})
        if kind == "refund":
            refund = {
                "id": f"re_{number}",
                "operation": f"op_{number}",
                "state": "succeeded",
                "provider_reference": "re_x",
            }
            payment["refunds"].append(refund)
        elif kind == "cancel":
            payment["state"] = "captured" if len(payment["operations"]) > 1 else "canceled"
        elif body["final"]:
            payment["state"] = "captured"
        payment["version"] += 1
        return payment


CARD = {"id": "pmt_1", "kind": "card", "brand": "visa", "last4": "4242", "state": "active"}


def connection(**values):
    """What the service answers of a connection."""
    return {
        "merchant": "mer_1",
        "odoo_instance": "odo_1",
        "provider_account": "acc_1",
        "provider": "stripe",
        "mode": "test",
        "publishable_key": "pk_test_1",
        "server_time": fields.Datetime.now().isoformat() + "Z",
        "version": "0.1.0",
        "api_version": "2026-09-30.endive",
        "scopes": [],
        "missing_scopes": [],
        "webhook": {"state": "registered", "problems": [], "last_event_at": None},
        "messages": {"pending": 0, "dead": 0, "oldest_pending_age_s": None, "last_sent_at": None},
        "events": {"pending": 0, "dead": 0},
        "exceptions_open": 0,
        **values,
    }


def answer(status, body):
    """A response as `requests` makes it."""
    response = requests.Response()
    response.status_code = status
    response.url = URL
    response._content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return response


def problem(status, code, **more):
    """A refusal of the service."""
    return status, {"status": status, "code": code, "detail": f"because of {code}", **more}


def refused_connection():
    """What `requests` raises where nobody listens."""
    pool = HTTPConnectionPool("pay.example.com")
    reason = NewConnectionError(pool, "[Errno 111] Connection refused")
    return requests.exceptions.ConnectionError(MaxRetryError(pool, URL, reason))


def lost_answer():
    """What `requests` raises where a connection ends after the request was sent."""
    return requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")))


UNKNOWN = {
    "202": (202, {"id": "pay_9", "version": 1, "reference": "x", "state": "unknown"}),
    "lost answer": lost_answer(),
    "timeout": requests.exceptions.ReadTimeout("read timed out"),
    "500": problem(500, "internal"),
    "429": problem(429, "provider_rate_limited"),
    "a proxy's page": (403, "<html>no</html>"),
    "in flight": problem(409, "in_flight"),
    "garbled": (200, "<html>yes</html>"),
}


class QuittanceCommon(PaymentCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.quittance = cls._prepare_provider(
            "quittance",
            update_values={
                "quittance_url": URL,
                "quittance_api_key": "qk_test_key",
                "quittance_signing_secret": "whsec_c2VjcmV0",
                "quittance_publishable_key": "pk_test_1",
                "quittance_instance": "odo_1",
                "quittance_account": "acc_1",
                "quittance_mode": "test",
                "quittance_flow": "inline",
                "is_published": True,
                "allow_tokenization": True,
            },
        )
        cls.card = cls.env.ref("payment.payment_method_card")
        cls.card.active = True
        (cls.quittance.payment_method_ids - cls.card).active = False  # Most cannot be held and captured later.
        cls.provider = cls.quittance
        cls.payment_method = cls.card
        cls.payment_method_id = cls.card.id
        cls.payment_method_code = "card"
        cls.currency = cls.currency_euro

    def setUp(self):
        super().setUp()
        self.service = StubService()
        patcher = patch.object(requests, "request", self.service.request)
        patcher.start()
        self.addCleanup(patcher.stop)

    # What differs from series to series

    def charge(self, tx):
        """Charge the transaction's saved method."""
        return tx._charge_with_token() if version_info[0] >= 19 else tx._send_payment_request()

    def capture(self, tx, amount=None):
        """Capture, as the wizard does; the part that was made for it, where one was."""
        return tx._capture(amount) if version_info[0] >= 19 else tx._send_capture_request(amount)

    def void(self, tx, amount=None):
        return tx._void(amount) if version_info[0] >= 19 else tx._send_void_request(amount)

    def refund(self, tx, amount=None):
        return tx._refund(amount) if version_info[0] >= 19 else tx._send_refund_request(amount)

    # Makers

    def make_tx(self, flow="direct", **values):
        return self._create_transaction(flow, **values)

    def make_token(self, **values):
        return self._create_token(provider_ref="pmt_1", quittance_customer="cus_1", **values)

    def make_held(self, **values):
        """A transaction whose money is held."""
        self.quittance.capture_manually = True
        tx = self.make_tx("token", token_id=self.make_token().id, **values)
        self.charge(tx)
        self.assertEqual(tx.state, "authorized")
        return tx

    def make_paid(self, **values):
        """A transaction that was paid by a saved card."""
        tx = self.make_tx("token", token_id=self.make_token().id, **values)
        self.charge(tx)
        self.assertEqual(tx.state, "done")
        return tx

    @contextmanager
    def rolled_back(self):
        """Do something, and have the database forget it: as after a serialization failure."""
        self.env.flush_all()
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            yield
            self.env.flush_all()
            raise ZeroDivisionError
        self.env.invalidate_all()
