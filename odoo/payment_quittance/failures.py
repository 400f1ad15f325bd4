"""What a request to the service came to, where it came to no answer: told apart by whether money may have moved."""

import ssl

import requests
from urllib3.exceptions import NewConnectionError

from odoo.exceptions import ValidationError

NOT_SENT = "not_sent"

# Codes of a 4xx that say "not yet" and not "no".
_LATER = {"in_flight"}


class OutcomeUnknownError(Exception):
    """The request may have been carried out. Never an error of the transaction: it stays pending, and news follows.

    :param dict payment: what the service knows by now, where it said so.
    """

    def __init__(self, message, payment=None):
        super().__init__(message)
        self.payment = payment or {}


def refused(message, code, payment=None):
    """Nothing moved. A ValidationError like any other, which knows why: core sets the transaction to error by it."""
    error = ValidationError(message)
    error.quittance_code = code
    error.quittance_payment = payment
    return error


def code_of(error):
    """Why the service refused, as its stable word."""
    return getattr(error, "quittance_code", None)


def never_sent(error):
    """Whether no byte of the request can have reached the service: no address, no connection, no trust in it."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema)):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError):
        return True
    cause = reason.args[0] if reason is not None and reason.args else None
    return isinstance(cause, ssl.SSLCertVerificationError)


def read_problem(response):
    """The problem document of a refusal, or None where the answer decides nothing.

    Only a 4xx with a code is the service's own word that nothing moved: a proxy's page is not.
    """
    if not 400 <= response.status_code < 500 or response.status_code in (408, 425, 429):
        return None
    try:
        problem = response.json()
    except ValueError:
        return None
    if not isinstance(problem, dict) or not problem.get("code") or problem["code"] in _LATER:
        return None
    return problem
