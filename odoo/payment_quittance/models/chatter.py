"""What news has Odoo say in the chatter: kept, and written at once for all messages of a batch."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import models


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
        if not self.env.context.get("quittance_is_logging") or set(kwargs) - {"body", "author_id"}:
            return super().message_post(**kwargs)
        chatter = self.env.context["quittance_chatter"]
        chatter.add(self, kwargs.get("author_id"), kwargs.get("body"))
        return self.env["mail.message"]
