import json
import logging

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .. import const, utils

_logger = logging.getLogger(__name__)


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    code = fields.Selection(selection_add=[("quittance", "Quittance")], ondelete={"quittance": "set default"})
    quittance_url = fields.Char(
        "Service URL",
        required_if_provider="quittance",
        copy=False,
        help="Where your Quittance service is, such as https://pay.example.com",
    )
    quittance_api_key = fields.Char("API key", required_if_provider="quittance", copy=False, groups="base.group_system")
    quittance_flow = fields.Selection(
        [("inline", "In the page, by Stripe's Payment Element"), ("page", "On a page of Stripe's")],
        "Customers pay",
        default="inline",
        required=True,
    )
    quittance_signing_secret = fields.Char(copy=False, groups="base.group_system")
    quittance_previous_secret = fields.Char(copy=False, groups="base.group_system")
    quittance_previous_secret_until = fields.Datetime(copy=False, groups="base.group_system")
    quittance_publishable_key = fields.Char("Publishable key", copy=False, readonly=True)
    quittance_instance = fields.Char("Instance", copy=False, readonly=True)
    quittance_account = fields.Char("Provider account", copy=False, readonly=True)
    quittance_mode = fields.Selection(
        [("test", "Test"), ("live", "Live")],
        "Mode of the key",
        copy=False,
        readonly=True,
        help="Whether the API key moves real money. It is the key's own, and told by the service.",
    )
    quittance_api_version = fields.Char("Stripe's API version", copy=False, readonly=True)
    quittance_health = fields.Json(copy=False, readonly=True)
    quittance_checked_at = fields.Datetime("Checked on", copy=False, readonly=True)
    quittance_webhook_state = fields.Char("Webhook at Stripe", compute="_compute_quittance_health")
    quittance_webhook_problems = fields.Char("What the webhook lacks", compute="_compute_quittance_health")
    quittance_last_event = fields.Char("Last event of Stripe", compute="_compute_quittance_health")
    quittance_last_message = fields.Char("Last news taken in", compute="_compute_quittance_health")
    quittance_lag = fields.Char("Waiting news", compute="_compute_quittance_health")
    quittance_dead = fields.Integer("Dead letters", compute="_compute_quittance_health")
    quittance_exceptions = fields.Integer("Open exceptions", compute="_compute_quittance_health")

    # === What the form shows === #

    @api.depends("quittance_health")
    def _compute_quittance_health(self):
        """Tell what the service last said of itself."""
        for provider in self:
            health = provider.quittance_health or {}
            webhook, messages, events = (health.get(part) or {} for part in ("webhook", "messages", "events"))
            provider.quittance_webhook_state = webhook.get("state")
            provider.quittance_webhook_problems = ", ".join(map(str, webhook.get("problems") or [])) or False
            provider.quittance_last_event = webhook.get("last_event_at")
            provider.quittance_last_message = messages.get("last_sent_at")
            provider.quittance_lag = provider._quittance_describe_lag(messages)
            provider.quittance_dead = (messages.get("dead") or 0) + (events.get("dead") or 0)
            provider.quittance_exceptions = health.get("exceptions_open") or 0

    def _quittance_describe_lag(self, messages):
        if messages.get("paused_until"):
            reason = messages.get("paused_reason") or ""
            return self.env._("paused until %(when)s: %(why)s", when=messages["paused_until"], why=reason)
        if not messages.get("pending"):
            return False
        age = messages.get("oldest_pending_age_s") or 0
        return self.env._("%(count)s, the oldest for %(age)s s", count=messages["pending"], age=age)

    def _compute_feature_support_fields(self):
        res = super()._compute_feature_support_fields()
        self.filtered(lambda provider: provider.code == "quittance").update(
            {
                "support_manual_capture": "partial",
                "support_refund": "partial",
                "support_tokenization": True,
            }
        )
        return res

    # === What must hold === #

    @api.constrains("quittance_url", "quittance_mode")
    def _check_quittance_url(self):
        for provider in self.filtered(lambda provider: provider.code == "quittance" and provider.quittance_url):
            provider._quittance_check_url()

    def _quittance_check_url(self):
        problem = utils.url_problem(self.quittance_url, self.quittance_mode)
        if problem == "plain":
            raise ValidationError(
                self.env._(
                    "The URL of the service must begin with https. Plain http is for a test key and a private address."
                )
            )
        if problem:
            raise ValidationError(self.env._("The URL of the service must be one such as https://pay.example.com"))

    @api.constrains("state", "quittance_mode", "quittance_account")
    def _check_quittance_state(self):
        """Real money is taken where both the key and the person say so, and play money likewise."""
        for provider in self.filtered(lambda provider: provider.code == "quittance" and provider.state != "disabled"):
            if not provider.quittance_account or not provider.quittance_mode:
                raise ValidationError(self.env._("Connect to Quittance before you enable the provider."))
            if provider.state == "enabled" and provider.quittance_mode == "test":
                raise ValidationError(
                    self.env._(
                        "The API key is a test key and takes no real money: choose Test Mode, or use a live key."
                    )
                )
            if provider.state == "test" and provider.quittance_mode == "live":
                raise ValidationError(
                    self.env._("The API key is a live key and takes real money: choose Enabled, or use a test key.")
                )

    def write(self, vals):
        """A connection is of a URL and a key: with another of either it is made anew at once, or forgotten.

        A provider that takes money is never left with a key that nobody has tried.
        """
        ours = self.filtered(lambda provider: provider.code == "quittance" and provider.quittance_account)
        changed = ours.filtered(lambda provider: provider._quittance_reaches_elsewhere(vals))
        res = super().write(vals)
        for provider in changed:
            if provider.state == "disabled":
                provider.write(self._quittance_forget_values())
            else:
                provider._quittance_connect()
        return res

    def _quittance_reaches_elsewhere(self, vals):
        """Whether values name another service or key, and do not tell of its connection as well."""
        if "quittance_account" in vals:
            return False
        return any(field in vals and vals[field] != self[field] for field in ("quittance_url", "quittance_api_key"))

    def _archive_linked_tokens(self):
        """Tokens of a provider that is switched off are Odoo's to archive; at Stripe the methods stay."""
        return super(PaymentProvider, self.with_context(quittance_keep_methods=True))._archive_linked_tokens()

    def _quittance_forget_values(self):
        """What the service told of a connection."""
        return {
            "quittance_publishable_key": False,
            "quittance_instance": False,
            "quittance_account": False,
            "quittance_mode": False,
            "quittance_api_version": False,
            "quittance_health": False,
            "quittance_checked_at": False,
            "quittance_signing_secret": False,
            "quittance_previous_secret": False,
            "quittance_previous_secret_until": False,
        }

    def _quittance_reset_values(self):
        return {"quittance_url": False, "quittance_api_key": False, **self._quittance_forget_values()}

    # === What is offered === #

    def _get_default_payment_method_codes(self):
        if self.code != "quittance":
            return super()._get_default_payment_method_codes()
        return const.DEFAULT_METHODS

    def _get_supported_currencies(self):
        currencies = super()._get_supported_currencies()
        if self.code != "quittance":
            return currencies
        return currencies.filtered(lambda currency: currency.name in const.CURRENCIES)

    def _should_build_inline_form(self, is_validation=False):
        if self.code != "quittance":
            return super()._should_build_inline_form(is_validation=is_validation)
        return is_validation or self.quittance_flow == "inline"

    def _get_redirect_form_view(self, is_validation=False):
        """Leaving a method without paying is always done in the page: Stripe's page is for payments."""
        if self.code == "quittance" and is_validation:
            return self.env["ir.ui.view"]
        return super()._get_redirect_form_view(is_validation=is_validation)

    def _quittance_inline_values(self, amount, currency, partner_id, is_validation, method, **kwargs):
        """What the browser's script needs to draw the form, as JSON. Nothing of it is secret.

        :param dict kwargs: What else the form is for, as `_is_tokenization_required` takes it.
        """
        self.ensure_one()
        must_save = self.allow_tokenization and method.support_tokenization and self._is_tokenization_required(**kwargs)
        partner = self.env["res.partner"].browse(partner_id).exists()
        if is_validation or not currency:
            currency = self.with_context(validation_pm=method)._get_validation_currency()
        places = const.STRIPE_DECIMALS.get(currency.name, utils.decimals(currency.name))
        script = self.env["ir.config_parameter"].sudo().get_param("payment_quittance.stripe_js_url")
        values = {
            "script_url": script or const.STRIPE_JS_URL,
            "publishable_key": self.quittance_publishable_key,
            "currency": currency.name.lower(),
            "amount_minor": utils.to_minor(amount or 0, currency.name, places),
            "decimals": places,
            "capture_method": "manual" if self.capture_manually else "automatic",
            "method_type": self._quittance_stripe_type(method),
            "must_save": bool(must_save),
            "billing_details": self._quittance_billing_details(partner),
        }
        return json.dumps(values)

    @api.model
    def _quittance_stripe_type(self, method):
        """Stripe's word for a payment method. A brand is a card; so is what nobody has chosen yet."""
        code = (method.primary_payment_method_id or method).code
        return "card" if code == "unknown" else const.STRIPE_TYPES.get(code, code)

    @api.model
    def _quittance_billing_details(self, partner):
        address = {
            "line1": partner.street,
            "line2": partner.street2,
            "city": partner.city,
            "state": partner.state_id.code,
            "postal_code": partner.zip,
            "country": partner.country_id.code,
        }
        return {
            "name": partner.name or "",
            "email": partner.email or "",
            "phone": partner.phone or "",
            "address": {part: text or "" for part, text in address.items()},
        }
