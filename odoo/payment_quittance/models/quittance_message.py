from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from ..unique import make_unique

KEPT_DAYS = 90


class QuittanceMessage(models.Model):
    """A message of Quittance's that was taken in: what makes the same one again change nothing."""

    _name = "quittance.message"
    _description = "Message from Quittance"
    _order = "id desc"
    _rec_name = "message_id"

    message_id = fields.Char(required=True, readonly=True)
    provider_id = fields.Many2one("payment.provider", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="provider_id.company_id", store=True)
    kind = fields.Char(required=True, readonly=True)
    subject = fields.Char(required=True, readonly=True, index=True, help="The id of what it tells of.")
    version = fields.Integer(readonly=True, help="Of two that tell of the same, the higher one is how it stands.")
    applied_at = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now, index=True)
    records = fields.Json(readonly=True, help="What it changed.")

    def init(self):
        make_unique(self.env.cr, self._table, "message_id")

    @api.model
    def _insert(self, provider, noted):
        """Note messages; where another transaction noted one meanwhile, Postgres refuses, and nothing is logged of it.

        :param noted: for each, its id, kind, subject and version
        """
        now = fields.Datetime.now()
        rows = SQL(", ").join(
            SQL("(%s, %s, %s, %s, %s, %s, %s)", name, provider.id, provider.company_id.id, kind, subject, version, now)
            for name, kind, subject, version in noted
        )
        self.env.cr.execute(
            SQL(
                "INSERT INTO %s (message_id, provider_id, company_id, kind, subject, version, applied_at)"
                " VALUES %s RETURNING id",
                SQL.identifier(self._table),
                rows,
            ),
            log_exceptions=False,
        )
        return self.browse(row[0] for row in self.env.cr.fetchall())

    @api.autovacuum
    def _gc_messages(self):
        """Drop old messages, but the newest of each payment, setup, method and dispute: it says what is stale.

        A booking needs none, as its source is unique among entries.
        """
        self.env.cr.execute(
            """
            DELETE FROM quittance_message old
             WHERE old.applied_at < %s
               AND (old.kind = 'ledger.booked' OR EXISTS (
                    SELECT FROM quittance_message new
                     WHERE new.subject = old.subject AND new.provider_id = old.provider_id
                       AND new.kind = old.kind AND new.id > old.id))
            """,
            [fields.Datetime.now() - timedelta(days=KEPT_DAYS)],
        )
