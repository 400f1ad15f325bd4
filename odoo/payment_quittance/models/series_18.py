"""What differs in Odoo 18: names of core's hooks, and nothing else. `series_19` is its twin."""

from odoo import api, models


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    @api.model
    def _quittance_setup_group(self):
        """Sort our group under a category of its own, and give it to the administrator."""
        category = self.env["ir.module.category"]._load_records(
            [{"xml_id": "payment_quittance.module_category_quittance", "values": {"name": "Quittance"}}]
        )
        group = self.env.ref("payment_quittance.group_quittance_manager")
        group.category_id = category
        self.env.ref("base.user_admin").groups_id += group
