# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import fields, models


class MailActivity(models.Model):
    _inherit = "mail.activity"

    quittance_subject = fields.Char(
        readonly=True,
        index="btree_not_null",
        help="What Quittance raised it for: one that is open is not raised again.",
    )


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    quittance_responsible_id = fields.Many2one(
        "res.users",
        string="Responsible",
        copy=False,
        domain="[('share', '=', False)]",
        help="Told of what needs a person, where the invoice or order has no salesperson.",
    )

    def _quittance_raise(self, record, subject, summary, note, deadline=None):
        """Give a person something to do about a record, once; later word on the same subject changes it.

        :param record: of a model that has activities
        :param subject: what it is about, by an id
        """
        self.ensure_one()
        open_ones = self._quittance_activities(subject)
        values = {"summary": summary, "note": note}
        if deadline:
            values["date_deadline"] = deadline
        if open_ones:
            open_ones.write(values)
            return open_ones
        return record.activity_schedule(
            "mail.mail_activity_data_todo",
            user_id=self._quittance_responsible(record).id,
            quittance_subject=subject,
            **values,
        )

    def _quittance_activities(self, subject):
        return self.env["mail.activity"].search([("quittance_subject", "=", subject)])

    def _quittance_responsible(self, record):
        """Who answers for a record: its salesperson, the provider's responsible, else an accounting manager."""
        own = "invoice_user_id" if record._name == "account.move" else "user_id"
        person = record[own] if own in record._fields else self.env["res.users"]
        if person.active and not person.share:
            return person
        if self.quittance_responsible_id:
            return self.quittance_responsible_id
        users = self.env["res.users"].search([("share", "=", False), ("company_ids", "in", self.company_id.ids)])
        managers = users.filtered(lambda user: user.has_group("account.group_account_manager"))
        return managers[:1] or users[:1] or self.env.ref("base.user_admin")
