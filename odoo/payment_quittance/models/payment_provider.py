import json
import logging
import secrets
from datetime import datetime, timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.release import series

from .. import const, failures, utils

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

    # === Connecting === #

    def action_quittance_connect(self):
        """Make this database and company known to the service, and take what it tells of itself."""
        self.ensure_one()
        answer = self._quittance_connect()
        return self._quittance_notify(self.env._("Connected with Quittance %s.", answer.get("version") or ""))

    def _quittance_connect(self):
        """Connect. The signing secret is told once: it is asked for when nothing is in the way any more."""
        self._quittance_check_url()
        if not self.sudo().quittance_api_key:
            raise UserError(self.env._("Fill in the API key first. Your Quittance prints it once, when it is made."))
        answer = self._quittance_post_connection()
        self._quittance_check_answer(answer)
        if not self.sudo().quittance_signing_secret or answer.get("odoo_instance") != self.quittance_instance:
            answer = self._quittance_post_connection(new_secret=True)
        self._quittance_keep_connection(answer)
        return answer

    def action_quittance_check(self):
        """Ask the service how it is."""
        self.ensure_one()
        answer = self._quittance_person_call("GET", "v1/odoo/connection")
        self._quittance_check_answer(answer)
        self._quittance_keep_connection(answer)
        return self._quittance_notify(self.env._("Quittance answered."))

    def action_quittance_roll_secret(self):
        """Take a new signing secret; the one before it is accepted for another day."""
        self.ensure_one()
        self._quittance_keep_connection(self._quittance_post_connection(new_secret=True))
        return self._quittance_notify(self.env._("The signing secret was rolled."))

    def _quittance_post_connection(self, new_secret=False):
        module = self.env.ref("base.module_payment_quittance").sudo()
        body = {
            "database": self._quittance_database(),
            "company": str(self.company_id.id),
            "company_name": self.company_id.name,
            "url": f"{self.get_base_url().rstrip('/')}/payment/quittance/news",
            "service_url": self.quittance_url.rstrip("/"),
            "register_webhook": True,
            "odoo_version": series,
            "addon_version": (module.latest_version or "").removeprefix(f"{series}."),
        }
        if new_secret:
            body["new_secret"] = True
        # Connecting is safe to repeat, and its answer tells a secret: it is no request to be remembered by a key.
        key = f"odoo.{secrets.token_hex(16)}"
        return self._quittance_person_call("POST", "v1/odoo/connection", json=body, key=key)

    def _quittance_person_call(self, method, endpoint, **kwargs):
        """A call for which a person waits: what is unknown is told to them."""
        try:
            return self._quittance_call(method, endpoint, **kwargs)
        except failures.OutcomeUnknownError as error:
            raise UserError(self.env._("Quittance did not give an answer: %s Try again in a moment.", error)) from None

    def _quittance_check_answer(self, answer):
        """Refuse a connection that could not work: by a clock that is off, or a key that may do too little."""
        missing = answer.get("missing_scopes") or []
        if missing:
            raise UserError(self.env._("The API key lacks what Odoo needs: %s", ", ".join(missing)))
        told = answer.get("server_time")
        if not told:
            raise UserError(self.env._("This is no Quittance that knows Odoo: its answer has no time."))
        told = datetime.fromisoformat(told.replace("Z", "+00:00")).replace(tzinfo=None)
        apart_s = abs((fields.Datetime.now() - told).total_seconds())
        if apart_s > const.CLOCK_SKEW_S:
            raise UserError(
                self.env._(
                    "The clocks of Odoo and of Quittance are %s s apart, and news would be refused: set them right.",
                    round(apart_s),
                )
            )

    def _quittance_keep_connection(self, answer):
        values = {
            "quittance_publishable_key": answer.get("publishable_key"),
            "quittance_instance": answer.get("odoo_instance"),
            "quittance_account": answer.get("provider_account"),
            "quittance_mode": answer.get("mode"),
            "quittance_api_version": answer.get("api_version"),
            "quittance_health": {
                part: answer.get(part) for part in ("webhook", "messages", "events", "exceptions_open")
            },
            "quittance_checked_at": fields.Datetime.now(),
        }
        secret = answer.get("signing_secret")
        before = self.sudo().quittance_signing_secret
        if secret and secret != before:
            values["quittance_signing_secret"] = secret
            if before:
                until = fields.Datetime.now() + timedelta(hours=const.PREVIOUS_SECRET_H)
                values.update(quittance_previous_secret=before, quittance_previous_secret_until=until)
        self.sudo().write(values)

    def _quittance_notify(self, message):
        """Show a message, with what is wrong at Stripe where something is."""
        problems = self.quittance_webhook_problems
        if problems:
            message = self.env._("%(message)s Stripe's webhook: %(problems)s", message=message, problems=problems)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if problems else "success",
                "sticky": bool(problems),
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # === Asking the service === #

    def _quittance_database(self):
        """What the service knows this database by."""
        return self.env["ir.config_parameter"].sudo().get_param("database.uuid")

    def _quittance_key(self, operation, reference, amount_minor=0, attempt=1):
        """The idempotency key of one wish of this company's; see docs/odoo-contract.md."""
        company = str(self.company_id.id)
        return utils.idempotency_key(self._quittance_database(), company, reference, operation, amount_minor, attempt)

    def _quittance_call(self, method, endpoint, *, key=None, reference=None, **payload):
        """Ask the service for something.

        :param str key: The idempotency key; every POST has one.
        :param str reference: The transaction that it is for, for the log.
        :param dict payload: `json` or `params`.
        :return: The answer.
        :rtype: dict
        :raise ValidationError: If nothing moved; `failures.code_of` knows why.
        :raise OutcomeUnknownError: If something may have moved.
        """
        self.ensure_one()
        return self._quittance_send(method, endpoint, key=key, reference=reference, **payload)

    def _quittance_request_url(self, endpoint):
        if not self.quittance_url:
            raise failures.refused(
                self.env._("The provider has no Quittance to ask: connect it first."), "not_connected"
            )
        return f"{self.quittance_url.rstrip('/')}/{endpoint}"

    def _quittance_request_headers(self, key):
        headers = {
            "Authorization": f"Bearer {self.sudo().quittance_api_key or ''}",
            "Quittance-Odoo-Database": self._quittance_database(),
        }
        if key:
            headers["Idempotency-Key"] = key
        return headers

    def _quittance_content(self, response):
        """The answer of a request that was served."""
        try:
            content = response.json()
        except ValueError:
            raise failures.OutcomeUnknownError(self.env._("The answer could not be read.")) from None
        if response.status_code == 202:
            raise failures.OutcomeUnknownError(self.env._("Stripe has not answered yet."), content)
        return content

    def _quittance_failure(self, response):
        """What to raise for a request that was not served."""
        problem = failures.read_problem(response)
        if problem is None:
            return failures.OutcomeUnknownError(self.env._("The service answered %s.", response.status_code))
        message = problem.get("detail") or problem.get("title") or problem["code"]
        return failures.refused(str(message), problem["code"], problem.get("payment"))

    def _quittance_lost(self, error):
        """What to raise for a request that got no answer."""
        if failures.never_sent(error):
            message = self.env._("The payment service cannot be reached. Nothing was charged; please try again later.")
            return failures.refused(message, failures.NOT_SENT)
        return failures.OutcomeUnknownError(self.env._("The answer did not come."))

    @api.model
    def _quittance_log_response(self, response, reference):
        """Log how it went: the status, and the problem's code. Bodies are personal, and some are secret."""
        problem = failures.read_problem(response) or {}
        _logger.info(
            "Quittance answered for %s: %s %s",
            reference or "the provider",
            response.status_code,
            problem.get("code", ""),
        )
