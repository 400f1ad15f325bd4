import base64
import itertools
import json
import secrets
import time

from odoo import fields

from odoo.addons.account.tests.common import AccountTestInvoicingCommon

from ..models.quittance_news import SUBJECTS
from ..signature import sign

# Nobody else's: another provider of the database may be connected too.
SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
TODAY = fields.Date.to_string(fields.Date.today())


class NewsCommon(AccountTestInvoicingCommon):
    """A company with a connected provider and its books, and builders of what Quittance tells."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, tracking_disable=True))
        cls.company = cls.company_data["company"]
        cls.currency = cls.company.currency_id
        cls.news = cls.env["quittance.news"]
        cls.database = cls.env["ir.config_parameter"].sudo().get_param("database.uuid")
        cls.provider = cls.make_provider(cls.company)
        cls.provider._quittance_set_up_books([cls.currency.name])
        cls.partner = cls.env["res.partner"].create({"name": "Customer", "email": "customer@example.com"})
        cls.numbers = itertools.count(1)

    @classmethod
    def make_provider(cls, company, secret=SECRET):
        provider = (
            cls.env["payment.provider"]
            .sudo()
            .create(
                {
                    "name": "Quittance",
                    "code": "quittance",
                    "company_id": company.id,
                    "state": "disabled",
                    "module_id": cls.env.ref("base.module_payment_quittance").id,
                    "payment_method_ids": [fields.Command.link(cls.env.ref("payment.payment_method_card").id)],
                    "quittance_url": "http://127.0.0.1:9",
                    "quittance_api_key": "qk_test",
                }
            )
        )
        provider.write(
            {
                "quittance_account": "acc_1",
                "quittance_mode": "test",
                "quittance_signing_secret": secret,
                "state": "test",
            }
        )
        return provider

    # === Documents and transactions === #

    def invoice(self, amount=100.0, taxes=None, post=True, date=TODAY):
        invoice = self.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": self.partner.id,
                "invoice_date": date,
                "invoice_payment_term_id": False,
                "invoice_line_ids": [
                    fields.Command.create(
                        {
                            "name": "Service",
                            "quantity": 1,
                            "price_unit": amount,
                            "tax_ids": [fields.Command.set(taxes.ids if taxes else [])],
                        }
                    )
                ],
            }
        )
        if post:
            invoice.action_post()
        return invoice

    def transaction(self, reference, amount=100.0, invoice=None, provider=None, **values):
        provider = provider or self.provider
        return self.env["payment.transaction"].create(
            {
                "provider_id": provider.id,
                "payment_method_id": self.env.ref("payment.payment_method_card").id,
                "reference": reference,
                "amount": amount,
                "currency_id": self.currency.id,
                "partner_id": self.partner.id,
                "operation": "online_direct",
                "invoice_ids": [fields.Command.set(invoice.ids if invoice else [])],
                **values,
            }
        )

    # === What Quittance tells === #

    def payment(self, reference, minor=10000, state="captured", version=1, **told):
        """A payment as a whole: captured at once, where nothing else is said."""
        words = {"captured": "done", "canceled": "cancel", "failed": "error", "processing": "pending"}
        number = reference.replace("-", "").lower()
        captures = [self.capture(f"ch_{number}", minor)] if state == "captured" else []
        return {
            "id": f"pay_{number}",
            "version": version,
            "reference": reference,
            "provider_account": "acc_1",
            "provider_reference": f"pi_{number}",
            "mode": "test",
            "state": state,
            "odoo_state": words.get(state, state),
            "decline": None,
            "capture_method": "automatic",
            "currency": self.currency.name,
            "amount_minor": minor,
            "settles": [],
            "customer": None,
            "payment_method": {"id": "pmt_1", "kind": "card", "brand": "visa", "last4": "4242", "state": "active"},
            "captures": captures,
            "operations": [],
            "refunds": [],
            **told,
        }

    def capture(self, source, minor, **told):
        return {
            "source": source, "operation": None, "reference": None, "amount_minor": minor, "captured_on": TODAY, **told
        }  # fmt: skip

    def refund(self, source, minor, state="succeeded", **told):
        return {
            "id": f"ref_{source}",
            "source": source,
            "operation": None,
            "reference": None,
            "state": state,
            "amount_minor": minor,
            "provider_reference": source,
            "refunded_on": TODAY,
            **told,
        }

    def booking(self, source, label, parts, meets=None, date=TODAY, currency=None):
        currency = currency or self.currency.name
        return {
            "source": source,
            "date": date,
            "label": label,
            "provider_account": "acc_1",
            "currency": currency,
            "meets": meets,
            "parts": [
                {
                    "account": part[0],
                    "currency": part[2] if len(part) > 2 else currency,
                    "amount_minor": part[1],
                    "value_minor": part[3] if len(part) > 3 else part[1],
                }
                for part in parts
            ],
        }

    def message(self, kind, told, **values):
        key = SUBJECTS[kind]
        number = next(self.numbers)
        return {"id": f"msg_{number:06}", "type": kind, "sequence": number, key: told, **values}

    # === Taking in === #

    def take_in(self, *messages, provider=None):
        return self.news._take_in(provider or self.provider, list(messages))

    def tell(self, *payments):
        """Take in payments, each in a batch of its own, and have all of them applied."""
        results = [self.take_in(self.message("payment.updated", payment))[0] for payment in payments]
        self.assertEqual({result["result"] for result in results}, {"applied"}, results)
        return results

    def tell_together(self, *payments):
        """Take in payments in one batch, and have all of them applied."""
        results = self.take_in(*(self.message("payment.updated", payment) for payment in payments))
        self.assertEqual({result["result"] for result in results}, {"applied"}, results)

    def book(self, *bookings):
        results = self.take_in(*(self.message("ledger.booked", booking) for booking in bookings))
        self.assertEqual({result["result"] for result in results}, {"applied"}, results)
        return [self.env[record["model"]].browse(record["id"]) for result in results for record in result["records"]]

    def book_charge(self, source, charge, minor, fee=300):
        return self.book(
            self.booking(
                source,
                charge,
                [("provider_balance", minor - fee), ("fees", fee), ("receivable_clearing", -minor)],
                meets=charge,
            )
        )

    # === Reading the books === #

    def account(self, role):
        return self.provider._quittance_account(role)

    def journal(self, currency=None):
        return self.provider._quittance_journal(currency or self.currency)

    def balance(self, account):
        groups = self.env["account.move.line"]._read_group(
            [("account_id", "=", account.id), ("parent_state", "=", "posted")], [], ["balance:sum"]
        )
        return self.currency.round(groups[0][0] or 0.0)

    def held(self):
        return self.balance(self.journal().default_account_id)

    def outstanding(self):
        return self.balance(self.account("outstanding_receipts")) + self.balance(self.account("outstanding_payments"))

    # === Requests === #

    def batch(self, *messages, **values):
        return {
            "type": "batch",
            "database": self.database,
            "company": str(self.company.id),
            "messages": list(messages),
            **values,
        }

    def post_news(self, batch, secrets=(SECRET,), at=0, headers=None, body=None):
        """Post a batch, signed under each of these secrets, `at` seconds from now."""
        body = json.dumps(batch).encode() if body is None else body
        timestamp = int(time.time()) + at
        signed = {
            "Content-Type": "application/json",
            "webhook-id": "msg_request",
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(sign(secret, "msg_request", timestamp, body) for secret in secrets),
            **(headers or {}),
        }
        signed = {name: value for name, value in signed.items() if value is not None}
        return self.url_open("/payment/quittance/news", data=body, headers=signed)
