"""What differs in Odoo 19: names of core's hooks, and nothing else. `series_18` is its twin."""

from odoo import api, models


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    @api.model
    def _quittance_setup_group(self):
        """Sort our group under a privilege of its own, and give it to the administrator."""
        privilege = self.env["res.groups.privilege"]._load_records(
            [
                {
                    "xml_id": "payment_quittance.res_groups_privilege_quittance",
                    "values": {"name": "Quittance", "category_id": self.env.ref("base.module_category_accounting").id},
                }
            ]
        )
        group = self.env.ref("payment_quittance.group_quittance_manager")
        group.privilege_id = privilege
        self.env.ref("base.user_admin").group_ids += group
