"""Why a message of Quittance's is not taken in."""

from odoo.exceptions import UserError


class Rejected(UserError):
    """It cannot be taken in as things are; the reason is for people."""


class Later(Exception):
    """Another transaction has the records just now."""
