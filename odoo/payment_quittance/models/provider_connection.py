"""How a provider is connected with its service, and what its health is."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
import secrets
from datetime import datetime, timedelta

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.release import series

from .. import const, failures


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

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
