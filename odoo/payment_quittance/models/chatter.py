"""What news has Odoo say in the chatter: kept, and written at once for all messages of a batch."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import fields, models

# What a note on a tracked change is made of.
CHANGE = {"body", "author_id", "tracking_value_ids"}


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    def _log_message_on_linked_documents(self, message):
        """Keep what is logged while news is taken in: whatever documents a module logs it on."""
        if self.env.context.get("quittance_chatter") is None:
            return super()._log_message_on_linked_documents(message)
        talking = self.with_context(quittance_is_logging=True)
        return super(PaymentTransaction, talking)._log_message_on_linked_documents(message)


class MailThread(models.AbstractModel):
    _inherit = "mail.thread"

    def message_post(self, **kwargs):
        """Keep a plain note on a document for the end of the batch: each alone looks for followers and aliases."""
        if self._quittance_keep_change(kwargs):
            return self.env["mail.message"]
        if not self.env.context.get("quittance_is_logging") or set(kwargs) - {"body", "author_id"}:
            return super().message_post(**kwargs)
        chatter = self.env.context["quittance_chatter"]
        chatter.add(self, kwargs.get("author_id"), kwargs.get("body"))
        return self.env["mail.message"]

    def _message_log(self, **kwargs):
        if self._quittance_keep_change(kwargs):
            return self.env["mail.message"]
        return super()._message_log(**kwargs)

    # === Tracked changes === #

    def _message_track(self, fields_iter, initial_values_dict):
        """Keep the notes on what changed, but those that somebody is to be told of, as followers may wish."""
        if self.env.context.get("quittance_chatter") is None:
            return super()._message_track(fields_iter, initial_values_dict)
        followers = self.env["mail.followers"].sudo()
        wishes = {(self._name, record): set() for record in self.ids}
        for follower in followers.search([("res_model", "=", self._name), ("res_id", "in", self.ids)]):
            wishes[self._name, follower.res_id].update(follower.subtype_ids.ids)
        tracking = self.with_context(quittance_wishes=wishes)
        return super(MailThread, tracking)._message_track(fields_iter, initial_values_dict)

    def _quittance_keep_change(self, change):
        """Keep a note on a tracked change, if that is what it is and nobody is to be told of it."""
        wishes = self.env.context.get("quittance_wishes", {}).get((self._name, self.id))
        if wishes is None or set(change) - {"subtype_id"} != CHANGE or change.get("subtype_id") in wishes:
            return False
        if any(command[0] != fields.Command.CREATE for command in change["tracking_value_ids"] or []):
            return False
        self.env.context["quittance_chatter"].add_change(self, change)
        return True

    def _quittance_log_changes(self, changes):
        """Write the notes on what changed, as many at once as may be.

        :param changes: by record, what each note is made of
        """
        while any(changes.values()):
            first = {record: rest[0] for record, rest in changes.items() if rest}
            self.filtered(lambda record, first=first: record.id in first)._quittance_log_change(first)
            changes = {record: rest[1:] for record, rest in changes.items()}

    def _quittance_log_change(self, changes):
        """Write one note on each record."""
        values = []
        for (author, subtype), records in self.grouped(
            lambda record: (changes[record.id]["author_id"], changes[record.id].get("subtype_id"))
        ).items():
            bodies = {record.id: changes[record.id]["body"] for record in records}
            notes = records._message_log_batch(bodies, author_id=author)
            if subtype:
                notes.write({"subtype_id": subtype, "is_internal": False})
            for record, note in zip(records, notes, strict=True):
                commands = changes[record.id]["tracking_value_ids"] or []
                values += [{**told, "mail_message_id": note.id} for _create, _id, told in commands]
        self.env["mail.tracking.value"].sudo().create(values)
