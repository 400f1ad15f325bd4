"""Proof that a request is Quittance's: Standard Webhooks 1.0, over the raw bytes, before anything is parsed."""

import base64
import binascii
import hashlib
import hmac
import re

PREFIX = "whsec_"
TOLERANCE_S = 300
# Digits of ASCII only: int() takes signs, spaces, underscores and the digits of other scripts.
TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


def key_of(secret):
    """The bytes that sign, or None where the text is no secret."""
    if not secret or not secret.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(secret[len(PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        return None
    return key or None


def sign(secret, message_id, timestamp, body):
    """The signature of a request under a secret, as one element of its header."""
    mac = hmac.new(key_of(secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


def is_signed(secrets, headers, body, now):
    """Whether a request of about now bears a signature under one of the secrets.

    :param secrets: those that are live; what is no secret signs nothing
    :param headers: anything with `get`
    :param body: the raw bytes
    :param now: seconds since 1970
    """
    message_id = headers.get("webhook-id") or ""
    timestamp = headers.get("webhook-timestamp") or ""
    given = (headers.get("webhook-signature") or "").split(" ")
    if not message_id or not TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > TOLERANCE_S:
        return False
    found = False
    for secret in secrets:
        if key_of(secret) is None:
            continue
        expected = sign(secret, message_id, timestamp, body).encode()
        for signature in given:
            found |= hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape"))
    return found
