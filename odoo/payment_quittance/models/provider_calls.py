"""How a service is called, and what its answers and failures become."""

# One file for each concern. pylint: disable=consider-merging-classes-inherited
import logging

from odoo import api, models

from .. import failures, utils

_logger = logging.getLogger(__name__)


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

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
