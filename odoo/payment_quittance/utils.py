"""Keys, amounts and secrets, without the ORM."""

import hashlib
import ipaddress
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import urlsplit

from odoo.addons.payment.const import CURRENCY_MINOR_UNITS


class Secret(str):
    """A text that is handed on as it is, and never shown where values are printed for people, as in logs."""

    __slots__ = ()

    def __repr__(self):
        return "'[hidden]'"


def idempotency_key(*parts):
    """The key of one wish. The same wish has the same key in every attempt, whatever ids its records are given."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).hexdigest()
    return f"odoo.{digest[:32]}"


def decimals(code):
    """How many decimals ISO 4217 gives a currency; None where it knows none."""
    return CURRENCY_MINOR_UNITS.get(code)


def to_minor(amount, code, places=None):
    """Whole minor units of an amount, or None where it has parts of a unit.

    Floats are read by their shortest text, as people see them: 1111.11 is 111111 cents.
    """
    places = decimals(code) if places is None else places
    exact = Decimal(repr(float(amount))).scaleb(places)
    whole = exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return int(whole) if abs(exact - whole) < Decimal("0.0001") else None


def from_minor(minor, code):
    """The amount of so many minor units."""
    return float(Decimal(minor).scaleb(-decimals(code)))


def is_nearby(host):
    """Whether a host is this machine or in a private network, as far as its name tells."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def url_problem(url, mode):
    """What is wrong with a service's URL, as a word; None where nothing is."""
    try:
        parts = urlsplit(url or "")
        host = parts.hostname
        _port = parts.port
    except ValueError:
        return "invalid"
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        return "invalid"
    if parts.scheme == "http" and (mode == "live" or not is_nearby(host)):
        return "plain"
    return None
