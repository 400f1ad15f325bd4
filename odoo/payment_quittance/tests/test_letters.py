from odoo import SUPERUSER_ID, fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ..models.quittance_letter import MAX_TRIES
from .news_common import NewsCommon


@tagged("post_install", "-at_install")
class TestLetters(NewsCommon):
    """What a payment has printed and mailed waits until its transaction is over."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cron = cls.env.ref("payment_quittance.ir_cron_letters")
        cls.letters = cls.env["quittance.letter"].with_user(SUPERUSER_ID)
        cls.template = cls.env["mail.template"].create(
            {
                "name": "Paid",
                "model_id": cls.env["ir.model"]._get("account.move").id,
                "subject": "Your payment of {{ object.name }}",
                "body_html": "<p>Thank you.</p>",
                "partner_to": "{{ object.partner_id.id }}",
                "report_template_ids": [fields.Command.set(cls.env.ref("account.account_invoices").ids)],
            }
        )

    def setUp(self):
        super().setUp()
        self.printed, self.mailed = [], []
        test = self

        def render(reports, report_ref, res_ids=None, data=None):
            test.printed.append(res_ids)
            return b"%PDF-1.4", "pdf"

        self.patch(type(self.env["ir.actions.report"]), "_render_qweb_pdf", render)
        self.patch(type(self.env["ir.mail_server"]), "send_email", lambda *args, **kwargs: test.mailed.append(args))
        self.with_a_mail(
            lambda invoice: invoice.message_post_with_source(self.template, subtype_xmlid="mail.mt_comment")
        )

    def with_a_mail(self, mail):
        """Have the accounting of a payment mail about its invoices, as `sale` has it mail about orders."""
        transactions = type(self.env["payment.transaction"])
        post_process = transactions._post_process

        def post_and_mail(txs):
            result = post_process(txs)
            for invoice in txs.invoice_ids:
                mail(invoice)
            return result

        self.patch(transactions, "_post_process", post_and_mail)

    def pay(self, reference="TX-1"):
        invoice = self.invoice()
        self.transaction(reference, invoice=invoice)
        self.printed.clear()
        self.mailed.clear()
        self.tell(self.payment(reference))
        return invoice

    def mails(self, invoice):
        return invoice.message_ids.filtered(lambda message: message.subject == f"Your payment of {invoice.name}")

    def waiting(self, invoice):
        return self.letters.search([("model", "=", "account.move"), ("record", "=", invoice.id)])

    def test_news_prints_nothing_and_the_job_prints_once(self):
        invoice = self.pay()
        self.assertEqual((self.printed, self.mailed), ([], []), "the printer was called while news held its rows")
        self.assertEqual(len(self.waiting(invoice)), 1)
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", self.cron.id)])
        self.assertTrue(triggers, "nobody woke the job")
        self.letters._send_due()
        self.letters._send_due()
        self.assertEqual(self.printed, [[invoice.id]])
        self.assertEqual(len(self.mails(invoice)), 1)
        self.assertEqual(self.mails(invoice).attachment_ids.mapped("mimetype"), ["application/pdf"])
        self.assertFalse(self.waiting(invoice))

    def test_of_a_payment_on_its_way_nothing_is_mailed_by_news(self):
        invoice = self.invoice()
        tx = self.transaction("TX-1", invoice=invoice)
        self.tell(self.payment("TX-1", state="processing"))
        self.assertEqual((tx.state, tx.is_post_processed), ("pending", False))
        self.assertFalse(self.waiting(invoice))

    def test_what_news_rolled_back_is_not_mailed(self):
        def mail_and_fail(invoice):
            raise UserError(self.env._("no"))

        self.with_a_mail(mail_and_fail)
        invoice = self.pay()
        self.assertFalse(self.waiting(invoice))

    def test_a_mail_that_fails_waits_and_is_sent_later(self):
        invoice = self.pay()
        works = type(self.env["ir.actions.report"])._render_qweb_pdf

        def fail(*args, **kwargs):
            raise ValueError("the printer is out of paper")

        self.patch(type(self.env["ir.actions.report"]), "_render_qweb_pdf", fail)
        with self.assertLogs("odoo.addons.payment_quittance.models.quittance_letter", "ERROR"):
            self.letters._send_due()
        self.assertEqual(self.waiting(invoice).tries, 1)
        self.assertFalse(self.mails(invoice))
        self.patch(type(self.env["ir.actions.report"]), "_render_qweb_pdf", works)
        self.letters._send_due()
        self.assertEqual(len(self.mails(invoice)), 1)

    def test_of_a_mail_that_fails_again_and_again_a_person_is_told(self):
        invoice = self.pay()
        self.waiting(invoice).tries = MAX_TRIES - 1

        def fail(*args, **kwargs):
            raise ValueError("the printer is out of paper")

        self.patch(type(self.env["ir.actions.report"]), "_render_qweb_pdf", fail)
        with self.assertLogs("odoo.addons.payment_quittance.models.quittance_letter", "ERROR"):
            self.letters._send_due()
        self.assertFalse(self.waiting(invoice))
        self.assertIn("out of paper", invoice.activity_ids.note)

    def test_an_invoice_that_sale_sends_by_itself_waits_too(self):
        sent = []

        def send(sender, moves, **settings):
            sent.append((moves.ids, settings))

        core = self.env.registry["account.move.send"].__mro__[1:]
        owner = next(
            cls for cls in core if "_quittance" not in cls.__module__ and "_generate_and_send_invoices" in vars(cls)
        )
        self.patch(owner, "_generate_and_send_invoices", send)
        self.with_a_mail(
            lambda invoice: (
                self.env["account.move.send"]
                .with_context(**invoice.env.context)
                ._generate_and_send_invoices(invoice, allow_raising=False, allow_fallback_pdf=True)
            )
        )
        invoice = self.pay()
        self.assertFalse(sent)
        self.letters._send_due()
        self.assertEqual(sent, [(invoice.ids, {"allow_raising": False, "allow_fallback_pdf": True})])

    def test_what_is_mailed_at_once_is_left_to_the_queue(self):
        self.with_a_mail(
            lambda invoice: invoice.with_context(force_send=True).message_post(
                body="Paid", partner_ids=invoice.partner_id.ids, subtype_xmlid="mail.mt_comment"
            )
        )
        invoice = self.pay()
        self.assertFalse(self.mailed)
        queued = self.env["mail.mail"].search([("model", "=", "account.move"), ("res_id", "=", invoice.id)])
        self.assertEqual(queued.mapped("state"), ["outgoing"])
