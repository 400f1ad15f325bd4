from odoo import fields, models


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    code = fields.Selection(selection_add=[("quittance", "Quittance")], ondelete={"quittance": "set default"})
    quittance_url = fields.Char("Service URL", required_if_provider="quittance")
    quittance_api_key = fields.Char("API key", required_if_provider="quittance", copy=False, groups="base.group_system")
    quittance_signing_secret = fields.Char(copy=False, groups="base.group_system")
    quittance_previous_secret = fields.Char(copy=False, groups="base.group_system")
    quittance_previous_secret_until = fields.Datetime(copy=False, groups="base.group_system")
    quittance_publishable_key = fields.Char(copy=False, readonly=True)
    quittance_instance = fields.Char(copy=False, readonly=True)
    quittance_account = fields.Char(copy=False, readonly=True)
