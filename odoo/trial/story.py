"""The scenes: what a customer, a clerk and an accountant do in a day, with everything going wrong that may."""

import re

from books import Books
from report import Failed, equal, wait_for
from shop import LOGIN, PRICE
from shopper import ASKS, DECLINES, PAYS, Shopper

PICTURES = "docs/odoo-addon"
#: Every event twice, mixed with what happens close to it, four at once.
UNTIDY = ("deliver", 2, 64, 4)


class Story:
    def __init__(self, shop, stand, running, report):
        self.shop, self.stand, self.odoo, self.report = shop, stand, shop.odoo, report
        self.running = running
        self.books = Books(shop, stand)
        self.customer = Shopper(running, self.odoo)

    def tell(self):
        self.stand.order(*UNTIDY)
        self.customer.log_in(LOGIN)
        for scene in [
            self.cart_by_inline_form,
            self.cart_by_a_bank_that_asks,
            self.cart_by_hosted_page,
            self.hosted_page_canceled,
            self.portal_invoice,
            self.card_saved_without_paying,
            self.card_saved_and_charged_off_session,
            self.capture_in_two_parts,
            self.void,
            self.partial_refund_with_credit_note,
            self.refund_at_the_dashboard,
            self.provider_form,
            self.odoo_stopped_in_the_middle,
            self.everything_told_again,
            self.books_before_the_payout,
            self.payout,
            self.dispute,
            self.nothing_is_dead,
        ]:
            self.acting = self.customer
            self.report.scene(scene.__doc__, scene, lambda sentence: self.acting.failure(sentence))

    # What each scene needs.

    def pay_cart(self, number=PAYS, save=False):
        """Pay a new cart by the inline form, up to the pressed button."""
        self.shop.change(quittance_flow="inline")
        before = self.shop.last()
        self.customer.fill_cart(self.shop.product_url)
        self.customer.choose()
        if save:
            self.customer.save_card()
        self.customer.type_card(number)
        return before

    def paid(self, before, amount=PRICE, within_s=60):
        """Wait until a transaction is done and in the books, by news alone."""
        tx = self.shop.until("done", before, within_s=within_s)
        equal("the amount", tx["amount"], amount)
        booked = lambda: self.shop.newest(("id", "=", tx["id"]))["payment_id"]
        wait_for("the payment is in the books", booked)
        return self.shop.newest(("id", "=", tx["id"]))

    def pay_link(self, model, record):
        """Pay a document as somebody who has its link."""
        self.shop.change(quittance_flow="inline")
        before = self.shop.last()
        stranger = self.somebody()
        stranger.goto(self.shop.link(model, record))
        stranger.open_form()
        stranger.choose()
        stranger.type_card(PAYS)
        stranger.submit()
        stranger.until("/payment/status|/payment/confirmation|/my/")
        return before

    def somebody(self):
        """Another person, whose page is looked at where the scene fails."""
        self.acting = Shopper(self.running, self.odoo)
        return self.acting

    def settled(self, invoice, state=("paid", "in_payment")):
        return wait_for(f"the invoice is {state}", lambda: self.shop.move(invoice)["payment_state"] in state)

    # The scenes.

    def provider_form(self):
        """The administrator sees at the provider that it is connected and healthy"""
        clerk = self.somebody()
        clerk.log_in("admin")
        clerk.goto(f"/odoo/payment.provider/{self.shop.provider}" if self.shop.series >= 18 else "/web")
        clerk.page.wait_for_selector(".o_form_view")
        clerk.page.click("button[name=action_quittance_check]")
        clerk.page.wait_for_function("document.querySelector('[name=quittance_last_message]')?.textContent.trim()")
        clerk.page.wait_for_load_state("networkidle")
        clerk.picture(f"{PICTURES}/provider.png")

    def cart_by_inline_form(self):
        """A customer whose first card is declined pays a cart by the inline form, the payment is in the books, and the order is mailed"""
        before = self.pay_cart(DECLINES)
        self.customer.picture(f"{PICTURES}/pay-form.png")
        self.customer.submit()
        self.customer.page.get_by_text(re.compile("insufficient funds")).first.wait_for()
        self.customer.goto("/shop/payment")
        self.customer.choose()
        self.customer.type_card(PAYS)
        self.customer.submit()
        self.customer.until("/payment/status|/shop/confirmation")
        tx = self.paid(before)
        self.customer.until("/shop/confirmation")
        equal("the order", self.order(tx)["state"], "sale")
        self.mailed_afterwards(tx)

    def order(self, tx):
        return self.odoo.find("sale.order", [("transaction_ids", "in", [tx["id"]])], ["state"])

    def mailed_afterwards(self, tx):
        """News held its rows and printed nothing: the job of Odoo's prints the order and mails it, once."""
        about = [("model", "=", "sale.order"), ("res_id", "=", self.order(tx)["id"]), ("attachment_ids", "!=", False)]
        printed = lambda: self.odoo.call("mail.message", "search_count", about)
        equal("orders printed while news held its rows", printed(), 0)
        for _ in range(2):
            self.odoo.call("ir.cron", "method_direct_trigger", [self.odoo.ref("payment_quittance.ir_cron_letters")])
        equal("orders printed by the job", printed(), 1)

    def cart_by_a_bank_that_asks(self):
        """A customer whose bank asks (3-D Secure) pays a cart by the inline form"""
        before = self.pay_cart(ASKS)
        self.customer.submit()
        self.customer.until("/redirect/authenticate/")
        self.customer.page.get_by_role("button", name="Yes").click()
        self.customer.until("/payment/status|/shop/confirmation")
        self.paid(before)

    def cart_by_hosted_page(self):
        """A customer pays a cart by the hosted page"""
        before = self.to_hosted_page()
        self.pay_on_page()
        self.paid(before)
        self.customer.until("/shop/confirmation")

    def to_hosted_page(self):
        self.shop.change(quittance_flow="page")
        before = self.shop.last()
        self.customer.fill_cart(self.shop.product_url)
        self.customer.choose()
        self.customer.submit()
        self.customer.until("/c/pay/")
        return before

    def hosted_page_canceled(self):
        """A customer who cancels at the hosted page is back in the shop, is not charged, and pays the same cart after all"""
        charged = self.stand.order("look", self.shop.currency.lower())["charges_made"]
        self.to_hosted_page()
        self.customer.page.click("#cancel")
        self.customer.until(re.escape(self.odoo.url))
        equal("charges", self.stand.order("look", self.shop.currency.lower())["charges_made"], charged)
        before = self.shop.last()
        self.customer.goto("/shop/payment")
        self.customer.choose()
        self.customer.submit()
        self.customer.until("/c/pay/")
        self.pay_on_page()
        self.paid(before)

    def pay_on_page(self):
        self.customer.page.fill("input[name=number]", PAYS)
        self.customer.page.click("#pay")
        self.customer.until("/payment/status|/shop/confirmation")

    def portal_invoice(self):
        """A portal invoice is paid, and reconciled with its payment"""
        self.shop.change(quittance_flow="inline")
        invoice, before = self.shop.invoice(), self.shop.last()
        self.customer.goto("/my/invoices")
        self.customer.page.click(f"a[href*='/my/invoices/{invoice}?']")
        self.customer.open_form()
        self.customer.choose()
        self.customer.type_card(PAYS)
        self.customer.submit()
        self.customer.until("/payment/status|/my/invoices")
        self.paid(before)
        self.settled(invoice)

    def card_saved_without_paying(self):
        """A customer saves a card without paying"""
        before = len(self.tokens())
        self.customer.goto("/my/payment_method")
        self.customer.choose()
        self.customer.type_card("5555555555554444")
        self.customer.submit()
        self.customer.until("/payment/status|/my/payment_method")
        wait_for("a token", lambda: len(self.tokens()) == before + 1)

    def tokens(self):
        return self.odoo.search("payment.token", [("provider_id", "=", self.shop.provider)], ["payment_details"], order="id desc")

    def card_saved_and_charged_off_session(self):
        """A card that was saved with a cart is charged off session for an invoice, which is paid"""
        before = self.pay_cart(PAYS, save=True)
        self.customer.submit()
        self.customer.until("/payment/status|/shop/confirmation")
        tx = self.paid(before)
        wait_for("a token", lambda: self.shop.newest(("id", "=", tx["id"]))["token_id"])
        token = self.shop.newest(("id", "=", tx["id"]))["token_id"][0]
        invoice, before = self.shop.invoice(), self.shop.last()
        journal = self.books.journal()[0]
        line = self.odoo.find("account.payment.method.line", [("journal_id", "=", journal), ("code", "=", "quittance")], ["id"])["id"]
        values = {"journal_id": journal, "payment_method_line_id": line, "payment_token_id": token}
        context = {"active_model": "account.move", "active_ids": [invoice]}
        wizard = self.odoo.create("account.payment.register", values, **context)
        self.odoo.call("account.payment.register", "action_create_payments", [wizard], context=context)
        self.paid(before)
        self.settled(invoice)

    def authorize(self):
        self.shop.change(capture_manually=True)
        try:
            before = self.pay_cart()
            self.customer.submit()
            self.customer.until("/payment/status|/shop/confirmation")
            return self.shop.until("authorized", before)
        finally:
            self.shop.change(capture_manually=False)

    def capture(self, tx, amount, void=False):
        wizard = self.odoo.create(
            "payment.capture.wizard", {"transaction_ids": [(6, 0, [tx["id"]])], "amount_to_capture": amount, "void_remaining_amount": void}
        )
        self.odoo.call("payment.capture.wizard", "action_capture", [wizard])

    def capture_in_two_parts(self):
        """An authorized payment is captured in two parts by the wizard, and each part is in the books"""
        tx = self.authorize()
        for amount, sum_ in [(40.0, 40.0), (81.0, PRICE)]:
            self.capture(tx, amount)
            children = lambda: self.odoo.search(
                "payment.transaction", [("source_transaction_id", "=", tx["id"]), ("state", "=", "done")], ["amount", "payment_id"]
            )
            done = lambda: sum(child["amount"] for child in children()) == sum_ and all(child["payment_id"] for child in children())
            wait_for(f"{sum_} captured and booked", done)
        wait_for("the source is done", lambda: self.shop.newest(("id", "=", tx["id"]))["state"] == "done")

    def void(self):
        """An authorized payment is voided, and nothing is charged"""
        tx = self.authorize()
        self.odoo.call("payment.transaction", "action_void", [tx["id"]])
        wait_for("the source is canceled", lambda: self.shop.newest(("id", "=", tx["id"]))["state"] == "cancel")

    def partial_refund_with_credit_note(self):
        """A part of an invoice's payment is refunded by the wizard, with a credit note that is reconciled"""
        self.shop.change(quittance_credit_notes=True)
        invoice = self.shop.invoice()
        tx = self.paid(self.pay_link("account.move", invoice))
        self.settled(invoice)
        wizard = self.odoo.create("payment.refund.wizard", {"payment_id": tx["payment_id"][0], "amount_to_refund": 21.0})
        self.odoo.call("payment.refund.wizard", "action_refund", [wizard])
        refund = self.shop.until("done", tx["id"], ("operation", "=", "refund"))
        equal("the refund", refund["amount"], -21.0)
        self.credited(invoice, 21.0)

    def credited(self, invoice, amount):
        notes = [("reversed_entry_id", "=", invoice), ("state", "=", "posted")]
        found = lambda: self.odoo.search("account.move", notes, ["amount_total", "payment_state"])
        wait_for("the credit note is settled", lambda: any(note["payment_state"] in ("paid", "in_payment", "reversed") for note in found()))
        equal("the credit notes", sum(note["amount_total"] for note in found()), amount)

    def refund_at_the_dashboard(self):
        """A refund that was made at Stripe's dashboard creates its child in Odoo"""
        invoice = self.shop.invoice()
        tx = self.paid(self.pay_link("account.move", invoice))
        self.stand.stripe("refunds", payment_intent=tx["provider_reference"], amount=2100)
        refund = self.shop.until("done", tx["id"], ("operation", "=", "refund"))
        equal("the refund", refund["amount"], -21.0)

    def odoo_stopped_in_the_middle(self):
        """Odoo stops while a customer pays at the hosted page: once it is back, it knows, and nothing is lost"""
        before = self.to_hosted_page()
        self.odoo.stop()
        self.customer.page.fill("input[name=number]", PAYS)
        self.customer.page.route(re.compile(re.escape(self.odoo.url)), lambda route: route.abort())
        try:
            self.customer.page.click("#pay", no_wait_after=True)
            charged = lambda: self.stand.stripe("payment_intents?limit=1")["data"][0]["status"] == "succeeded"
            wait_for("Stripe has the money", charged)
        finally:
            self.customer.page.unroute(re.compile(re.escape(self.odoo.url)))
            self.odoo.start()
        # The instance rests for a while after it could not be reached.
        self.paid(before, within_s=180)

    def everything_told_again(self):
        """Every event that ever was is told once more, mixed: nothing changes in the books"""
        self.books.check()
        before = self.books.balances(), self.count("payment.transaction"), self.count("account.payment")
        self.stand.order("resend")
        self.stand.order("wait")
        wait_for("the service is through", self.is_quiet)
        equal("the books", (self.books.balances(), self.count("payment.transaction"), self.count("account.payment")), before)

    def count(self, model):
        return self.odoo.call(model, "search_count", [])

    def is_quiet(self):
        waiting = self.stand.service("/v1/outbox?state=pending&limit=1")["data"]
        return not waiting and not self.stand.service("/v1/events?state=received&limit=1")["data"]

    def books_before_the_payout(self):
        """The trial balance is right: nothing is outstanding, and the Stripe journal holds what Stripe holds"""
        self.books.check()

    def payout(self):
        """A payout empties the Stripe journal, and the books still agree"""
        payout = self.stand.order("pay-out", self.shop.currency.lower())["payout"]
        self.books.check()
        known = [item for item in self.stand.pages("/v1/payouts") if item.get("provider_reference") == payout]
        equal("payouts the service knows", len(known), 1)
        clerk = self.somebody()
        clerk.log_in("admin")
        journal = self.books.journal()[0]
        items = {"name": "Stripe", "res_model": "account.move.line", "view_mode": "list", "domain": f"[('journal_id', '=', {journal})]"}
        clerk.goto(f"/odoo/action-{self.odoo.create('ir.actions.act_window', items)}")
        clerk.page.wait_for_selector(".o_data_row")
        clerk.picture(f"{PICTURES}/journal.png")

    def dispute(self):
        """A disputed payment leaves the journal with its fee, and somebody is asked to act by Stripe's deadline"""
        invoice = self.shop.invoice()
        tx = self.paid(self.pay_link("account.move", invoice))
        self.stand.order("dispute", tx["provider_reference"])
        asked = [("res_model", "in", ["account.move", "payment.transaction"])]
        wait_for("an activity", lambda: self.odoo.search("mail.activity", asked, ["date_deadline", "summary", "res_id"]))
        self.stand.order("reconcile")
        self.books.check()

    def nothing_is_dead(self):
        """No message is dead, no exception is open but the dispute that waits for an answer, and Odoo's log has no traceback"""
        dead = self.stand.pages("/v1/outbox?state=dead")
        exceptions = self.stand.pages("/v1/exceptions?state=open")
        still_open = [item for item in exceptions if item["kind"] != "dispute_opened"]
        tracebacks = self.odoo.tracebacks()
        if dead or still_open or tracebacks:
            kinds = [item.get("kind") for item in still_open]
            raise Failed(f"{len(dead)} dead, {len(still_open)} exceptions {kinds}, {tracebacks} tracebacks in {self.odoo.log}")
