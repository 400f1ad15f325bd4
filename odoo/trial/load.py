"""Many customers at once, each as their browser asks: 0 lost, 0 double, and nobody sees an error of Odoo's own."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar

from report import Failed, equal, wait_for
from shop import CODE, PRICE
from shopper import PAYS

PAYMENTS, AT_ONCE = 200, 8


class Customer:
    """One browser without a screen."""

    def __init__(self, shop, stand):
        self.shop, self.stand = shop, stand
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def fetch(self, url, body=None, kind="application/json"):
        request = urllib.request.Request(url, body, {"Content-Type": kind} if body else {})
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refused:
            why = refused.read().decode(errors="replace")
            raise Failed(f"{urllib.parse.urlsplit(url).path}: {refused.code} {why[:200]}") from None

    def rpc(self, path, params):
        told = json.loads(self.fetch(f"{self.shop.odoo.url}{path}", json.dumps({"jsonrpc": "2.0", "params": params}).encode()))
        if "error" in told:
            raise Failed(f"{path}: {told['error'].get('data', {}).get('message')}")
        return told.get("result")

    def stripe(self, path, **form):
        body = urllib.parse.urlencode(form).encode()
        return json.loads(self.fetch(f"{self.stand.stripe_url}/v1/{path}", body, "application/x-www-form-urlencoded"))

    def pay(self, link):
        """Open the page, start a transaction, confirm it at Stripe and look at its status."""
        page = self.fetch(link)
        form = dict(re.findall(r'data-([a-z-]+)="([^"]*)"', re.search(r'<form[^>]*id="o_payment_form"[^>]*>', page, re.S).group()))
        radios = re.findall(r'<input[^>]*name="o_payment_radio"[^>]*>', page, re.S)
        options = [dict(re.findall(r'data-([a-z-]+)="([^"]*)"', radio)) for radio in radios]
        # The customer's saved cards are offered too, before the method itself.
        option = next(found for found in options if found["provider-code"] == CODE and found["payment-option-type"] == "payment_method")
        params = {
            "provider_id": int(option["provider-id"]),
            "payment_method_id": int(option["payment-option-id"]),
            "token_id": None,
            "amount": float(form["amount"]),
            "flow": "direct",
            "tokenization_requested": False,
            "landing_route": form["landing-route"].replace("&amp;", "&"),
            "is_validation": False,
            "access_token": form.get("access-token"),
        }
        values = self.rpc(form["transaction-route"].replace("&amp;", "&"), params)
        secret = next(text for text in values.values() if isinstance(text, str) and re.fullmatch(r"pi_\w+_secret_\w+", text))
        key = self.shop.look("quittance_publishable_key")["quittance_publishable_key"]
        method = self.stripe("payment_methods", key=key, type="card", **{"card[number]": PAYS})
        intent = secret.split("_secret_")[0]
        self.stripe(f"payment_intents/{intent}/confirm", key=key, client_secret=secret, payment_method=method["id"])
        wait_for("the status page is answered", self.poll)
        return values["reference"]

    def poll(self):
        """Ask as the status page does, whose script asks again where it is told `retry`."""
        try:
            return self.rpc("/payment/status/poll", {"csrf_token": None})
        except Failed as failed:
            if str(failed).endswith(": retry"):
                return None
            raise


def run(shop, stand, doubler, report):
    """Play the load, and look at every transaction afterwards."""
    shop.change(quittance_flow="inline")
    links = shop.links("account.move", shop.invoices(PAYMENTS))
    charged = stand.order("look", shop.currency.lower())["charges_made"]
    last, retried, tracebacks = shop.last(), shop.odoo.said("serializ"), shop.odoo.tracebacks()
    doubler.statuses.clear()
    started = time.monotonic()
    errors, references = Counter(), []

    def pay(link):
        try:
            references.append(Customer(shop, stand).pay(link))
        except Exception as error:  # whatever a customer would see
            errors[re.sub(r"\bpi_\w+", "pi_…", f"{type(error).__name__}: {error}")] += 1

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(pay, links))
    report.figure("load: seconds until the last customer was through", round(time.monotonic() - started, 1))
    domain = [("id", ">", last), ("provider_id", "=", shop.provider)]
    done = lambda: shop.odoo.call("payment.transaction", "search_count", [*domain, ("state", "=", "done"), ("payment_id", "!=", False)])
    try:
        wait_for(f"{PAYMENTS} transactions done and booked", lambda: done() == PAYMENTS, within_s=180)
    finally:
        report.figure("load: seconds until the last was in the books", round(time.monotonic() - started, 1))
        report.figure("load: done and booked", done())
        report.figure("load: errors that a customer saw", dict(errors))
        report.figure("load: statuses Odoo answered news with", dict(doubler.statuses))
        report.figure("load: lines of Odoo's log on serialization", shop.odoo.said("serializ") - retried)
        report.figure("load: tracebacks in Odoo's log", shop.odoo.tracebacks() - tracebacks)
    equal("errors that a customer saw", dict(errors), {})
    if not doubler.statuses:
        raise Failed("no news came by the way that doubles it")
    equal("charges", stand.order("look", shop.currency.lower())["charges_made"] - charged, PAYMENTS)
    equal("references", len(set(references)), PAYMENTS)
    found = shop.odoo.search("payment.transaction", domain, ["provider_reference", "payment_id", "amount"])
    equal("transactions", len(found), PAYMENTS)
    equal("payments in the books", len({tx["payment_id"][0] for tx in found}), PAYMENTS)
    equal("intents", len({tx["provider_reference"] for tx in found}), PAYMENTS)
    equal("the sum", round(sum(tx["amount"] for tx in found), 2), PRICE * PAYMENTS)
    server = [status for status in doubler.statuses if status >= 500 and status != 503]
    equal("statuses that are no answer", server, [])
