# One file for each concern. pylint: disable=consider-merging-classes-inherited
import json
import logging

from odoo import SUPERUSER_ID, api, fields, models

_logger = logging.getLogger(__name__)

# In the context of whoever holds rows of payments: what prints or mails is noted, and done once they are let go of.
LATER = "quittance_letters"

BATCH = 10
# The job runs hourly, and at once where something new waits.
MAX_TRIES = 24

MAIL_QUEUE = "mail.ir_cron_mail_scheduler_action"


class QuittanceLetter(models.Model):
    """A mail that payments brought about, to be written and printed after their transaction, and only if it holds.

    To print, Odoo asks itself for styles, which another worker answers. That one may wait for the very rows that who
    prints holds: printed inside the transaction, both would wait for each other.
    """

    _name = "quittance.letter"
    _description = "Mail after a payment"
    _order = "tries, id"
    _rec_name = "model"

    provider_id = fields.Many2one("payment.provider", required=True, readonly=True, ondelete="cascade")
    way = fields.Selection(
        [("post", "Posted on the record"), ("mail", "Mailed"), ("invoice", "Sent as an invoice")],
        required=True,
        readonly=True,
    )
    model = fields.Char(required=True, readonly=True)
    record = fields.Integer(required=True, readonly=True)
    template_id = fields.Many2one("mail.template", readonly=True, ondelete="cascade")
    options = fields.Json(readonly=True)
    tries = fields.Integer(readonly=True)

    @api.model
    def _is_due_later(self, options):
        """Whether a letter with such options is noted, and not written at once."""
        if not self.env.context.get(LATER):
            return False
        try:
            json.dumps(options)
        except TypeError:  # What cannot be kept until then.
            return False
        return True

    @api.model
    def _put_off(self, way, records, template, options):
        """Note a letter about each record; they are gone with the transaction, should it be rolled back."""
        self.sudo().create(
            [
                {
                    "provider_id": self.env.context[LATER],
                    "way": way,
                    "model": records._name,
                    "record": record.id,
                    "template_id": template.id,
                    "options": options,
                }
                for record in records
            ]
        )
        self._trigger()

    @api.model
    def _trigger(self):
        self.env.ref("payment_quittance.ir_cron_letters").sudo()._trigger()

    # === The job === #

    @api.model
    def _send_due(self):
        """Send what waits: what never failed first, and what failed once an hour."""
        for letter in self.search([], limit=BATCH):
            letter._send_or_note()
        if self.search_count([("tries", "=", 0)], limit=1):
            self._trigger()

    def _send_or_note(self):
        """Send a letter and forget it. One that cannot be sent is tried again, and in the end a person is told."""
        self.ensure_one()
        try:
            with self.env.cr.savepoint():
                self._send()
        except Exception as error:  # pylint: disable=broad-except
            _logger.exception("The mail of %s %s could not be sent", self.model, self.record)
            self.tries += 1
            if self.tries < MAX_TRIES:
                return
            self._give_up(error)
        self.unlink()

    def _send(self):
        about = self._about()
        options = self.options or {}
        if not about:
            return
        if self.way == "post":
            about.with_context(force_send=True).message_post_with_source(self.template_id, **options)
        elif self.way == "mail":
            self.template_id.send_mail(about.id, **options)
        else:
            template = {"mail_template": self.template_id} if self.template_id else {}
            about.env["account.move.send"]._generate_and_send_invoices(about, **options, **template)
        self.env.flush_all()

    def _about(self):
        """The record that a letter is about, as seen by Odoo itself, if it is there still."""
        if self.model not in self.env:
            return self.browse()
        about = self.env[self.model].with_user(SUPERUSER_ID).browse(self.record).exists()
        company = about.company_id if "company_id" in about._fields else about.env.company
        return about.with_company(company)

    def _give_up(self, error):
        self.provider_id._quittance_raise(
            self._about() if "activity_ids" in self._about()._fields else self.provider_id.company_id.partner_id,
            subject=f"letter:{self.model}:{self.record}",
            summary=self.env._("A mail was not sent"),
            note=self.env._("A customer paid, and the mail that says so could not be sent: %s", error),
        )


class MailThread(models.AbstractModel):
    _inherit = "mail.thread"

    def message_post_with_source(self, source_ref, render_values=None, **options):
        options = {"render_values": render_values, **options}
        letters = self.env["quittance.letter"]
        is_template = isinstance(source_ref, models.BaseModel) and source_ref._name == "mail.template"
        if not (is_template and letters._is_due_later(options)):
            return super().message_post_with_source(source_ref, **options)
        letters._put_off("post", self, source_ref, options)
        return self.env["mail.message"]


class MailTemplate(models.Model):
    _inherit = "mail.template"

    def send_mail(self, res_id, force_send=False, **options):
        options = {"force_send": force_send, **options}
        letters = self.env["quittance.letter"]
        if not (self.report_template_ids and letters._is_due_later(options)):
            return super().send_mail(res_id, **options)
        letters._put_off("mail", self.env[self.model].browse(res_id), self, options)
        return False


class AccountMoveSend(models.AbstractModel):
    _inherit = "account.move.send"

    @api.model
    def _generate_and_send_invoices(self, moves, **settings):
        letters = self.env["quittance.letter"]
        options = {name: value for name, value in settings.items() if name != "mail_template"}
        if not letters._is_due_later(options):
            return super()._generate_and_send_invoices(moves, **settings)
        letters._put_off("invoice", moves, settings.get("mail_template") or self.env["mail.template"], options)
        return self.env["ir.attachment"]


class MailMail(models.Model):
    """Leaves to Odoo's queue what is to be mailed at once by who holds rows of payments."""

    _inherit = "mail.mail"

    def send(self, *args, **options):
        if not self.env.context.get(LATER):
            return super().send(*args, **options)
        self.env.ref(MAIL_QUEUE).sudo()._trigger()
        return True

    def send_after_commit(self):
        if not self.env.context.get(LATER):
            return super().send_after_commit()
        return self.send()
