"""A customer at a real browser."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

from server import PASSWORD
from playwright.sync_api import Error, TimeoutError, expect, sync_playwright
from report import PLACE

PAYS, DECLINES, ASKS = "4242424242424242", "4000000000009995", "4000002760003184"
SUBMIT = "button[name=o_payment_submit_button]:visible"
NUMBER = ".sandbox-stripe-card input:visible"
#: The first visit after a start has Odoo build its assets.
PATIENCE_MS = 45_000
#: Odoo's bus wants a proxy in front that leads it to another port; here nobody listens to it.
NO_BUS = """window.SharedWorker = class extends EventTarget {
  constructor() { super(); this.port = new EventTarget(); this.port.start = this.port.postMessage = () => {}; }
};"""


@contextmanager
def browser():
    """A headless Chromium, from CHROMIUM where that names one."""
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


class Shopper:
    """One person with cookies of their own."""

    def __init__(self, running, odoo):
        self.odoo = odoo
        self.context = running.new_context(viewport={"width": 1280, "height": 960})
        self.context.add_init_script(NO_BUS)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", lambda error: print(f"         page: {error}", flush=True))

    def goto(self, path):
        url = path if path.startswith("http") else f"{self.odoo.url}{path}"
        try:
            self.page.goto(url, wait_until="load")
        except Error as error:
            if "interrupted by another navigation" not in error.message:
                raise
            self.page.goto(url, wait_until="load")  # The status page was just leading on.

    def log_in(self, login, password=PASSWORD):
        self.goto("/web/login")
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", password)
        self.page.click("form.oe_login_form button[type=submit]")
        self.page.wait_for_url(lambda url: "/web/login" not in url)

    def fill_cart(self, product_url):
        """Put a product into the cart, and go to where it is paid."""
        self.goto(product_url)
        self.page.wait_for_load_state("networkidle")
        with self.page.expect_response(re.compile("/shop/cart/(add|update)")):
            self.page.click("#add_to_cart")
        self.goto("/shop/checkout?try_skip_step=true")
        if "/shop/payment" not in self.page.url:
            self.goto("/shop/payment")
        self.page.wait_for_selector("#o_payment_form")
        self.page.wait_for_load_state("networkidle")

    def open_form(self):
        """Have a document's page show its form, which waits behind a button."""
        self.page.wait_for_load_state("networkidle")
        form = self.page.locator("#o_payment_form")
        try:
            form.wait_for(state="visible", timeout=3000)  # Some links show it by themselves, a little later.
        except TimeoutError:
            self.page.locator("a[data-bs-target='#pay_with']:visible, a[href='#portal_pay']:visible").first.click()
        form.wait_for(state="visible")

    def choose(self, kind="payment_method"):
        """Choose our provider's card, or a saved one."""
        radio = f"input[name=o_payment_radio][data-provider-code=quittance][data-payment-option-type={kind}]"
        found = self.page.locator(radio).first
        more = self.page.locator("[name=o_payment_expand_button]:visible")
        if kind == "payment_method" and more.count():
            more.first.click()  # Behind it, where cards were saved.
        if not found.is_checked():
            found.wait_for(state="visible")
            found.evaluate("radio => radio.click()")  # Its label lies above it, and may still move.
            expect(found).to_be_checked()

    def type_card(self, number):
        self.page.locator(NUMBER).first.fill(number)

    def submit(self):
        self.page.locator(SUBMIT).first.click()

    def save_card(self):
        self.page.locator("input[name=o_payment_tokenize_checkbox]:visible").first.check()

    def until(self, pattern):
        self.page.wait_for_url(re.compile(pattern))

    def picture(self, path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))

    def failure(self, sentence):
        details = self.page.get_by_text("See technical details")
        if details.count():
            details.first.click()
        name = re.sub(r"\W+", "-", sentence)[:60]
        self.picture(PLACE / "failures" / f"{name}.png")
        (PLACE / "failures" / f"{name}.html").write_text(self.page.content())
