# One file for each concern. pylint: disable=consider-merging-classes-inherited
from odoo import fields, models

from ..unique import make_unique


class AccountMove(models.Model):
    _inherit = "account.move"

    quittance_source = fields.Char(
        "Booking of Quittance", readonly=True, copy=False, help="The transaction of the ledger that this writes down."
    )

    def init(self):
        make_unique(self.env.cr, self._table, "company_id", "quittance_source")
        return super().init()
