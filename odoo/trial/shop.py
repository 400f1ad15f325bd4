"""What the trial sells, and the provider that it is paid through."""

from urllib.parse import urlsplit

from report import wait_for

CODE = "quittance"
#: The login of the customer, whose password is the administrator's.
LOGIN = "portal-trial"
PRICE = 121.0


class Shop:
    """An Odoo with a product, a customer and our provider, connected."""

    def __init__(self, odoo, stand):
        self.odoo, self.stand = odoo, stand
        self.company = odoo.find("res.company", [], ["currency_id", "partner_id"], order="id")
        self.currency = self.company["currency_id"][1]
        self.series = int(odoo.rpc("/web/webclient/version_info")["server_version_info"][0])
        self.partner, self.product_url = self.make_customer(), self.make_product()
        self.provider = odoo.find("payment.provider", [("code", "=", CODE)], ["id"])["id"]

    def make_customer(self):
        country = self.odoo.ref("base.us")
        state = self.odoo.find("res.country.state", [("code", "=", "CA"), ("country_id", "=", country)], ["id"])["id"]
        address = {"street": "1 Trial Street", "city": "Fremont", "zip": "94538", "country_id": country, "state_id": state}
        partner = self.odoo.create("res.partner", {"name": "Ada Trial", "email": "ada@example.com", "phone": "+1 555 555 0100"} | address)
        groups = "group_ids" if self.series >= 19 else "groups_id"
        user = {"name": "Ada Trial", "login": LOGIN, "password": "admin", "partner_id": partner}
        self.odoo.create("res.users", user | {groups: [(6, 0, [self.odoo.ref("base.group_portal")])]}, no_reset_password=True)
        return partner

    def make_product(self):
        values = {"name": "Trial", "type": "service", "list_price": PRICE, "taxes_id": [(5, 0, 0)], "is_published": True}
        template = self.odoo.create("product.template", values)
        found = self.odoo.find("product.template", [("id", "=", template)], ["website_url", "product_variant_id"])
        self.product = found["product_variant_id"][0]
        return found["website_url"]

    def connect(self, news_url):
        """Fill the provider's form and press Connect, as the administrator does. News comes by `news_url`."""
        self.parameter("web.base.url.freeze", "True")
        self.parameter("payment_quittance.stripe_js_url", self.stand.stripe_script)
        self.change(quittance_url=self.stand.service_url, quittance_api_key=self.stand.api_key)
        self.parameter("web.base.url", news_url)
        own, self.odoo.host = self.odoo.host, urlsplit(news_url).netloc
        self.odoo.call("payment.provider", "action_quittance_connect", [self.provider])
        self.odoo.host = own
        self.parameter("web.base.url", self.odoo.url)
        self.change(state="test", is_published=True, allow_tokenization=True)
        # The stand-ins take cards only, and so does a capture by hand.
        self.change(payment_method_ids=[(6, 0, [self.odoo.ref("payment.payment_method_card")])])

    def parameter(self, name, value):
        self.odoo.call("ir.config_parameter", "set_param", name, value)

    def change(self, **values):
        self.odoo.call("payment.provider", "write", [self.provider], values)

    def look(self, *fields):
        return self.odoo.find("payment.provider", [("id", "=", self.provider)], list(fields))

    def invoice(self, amount=PRICE):
        """A posted invoice of the customer's."""
        return self.invoices(1, amount)[0]

    def invoices(self, count, amount=PRICE):
        line = {"product_id": self.product, "quantity": 1, "price_unit": amount, "tax_ids": [(5, 0, 0)]}
        values = {"move_type": "out_invoice", "partner_id": self.partner, "invoice_line_ids": [(0, 0, line)]}
        made = self.odoo.call("account.move", "create", [values] * count)
        self.odoo.call("account.move", "action_post", made)
        return made

    def link(self, model, record):
        """Where a document is paid by whoever has the link."""
        return self.links(model, [record])[0]

    def links(self, model, records):
        common = {"res_model": model, "amount": PRICE, "currency_id": self.company["currency_id"][0], "partner_id": self.partner}
        wizards = self.odoo.call("payment.link.wizard", "create", [common | {"res_id": record} for record in records])
        # One by one: not every module that adds to the link can make several.
        return [self.odoo.find("payment.link.wizard", [("id", "=", wizard)], ["link"])["link"] for wizard in wizards]

    def newest(self, *more):
        """The provider's newest transaction."""
        fields = ["reference", "state", "amount", "state_message", "payment_id", "provider_reference", "token_id", "operation", "invoice_ids"]
        domain = [("provider_id", "=", self.provider), *more]
        return self.odoo.find("payment.transaction", domain, fields, order="id desc")

    def until(self, state, after, *more, within_s=60):
        """Wait until the first transaction past `after` is in a state; nobody at a browser is needed for it."""
        domain = [("provider_id", "=", self.provider), ("id", ">", after), ("state", "=", state), *more]
        found = wait_for(f"a transaction {state}", lambda: self.odoo.search("payment.transaction", domain, ["id"], limit=1), within_s)
        return self.newest(("id", "=", found[0]["id"]))

    def last(self):
        """The id of the newest transaction there is, or 0."""
        found = self.odoo.search("payment.transaction", [], ["id"], limit=1, order="id desc")
        return found[0]["id"] if found else 0

    def move(self, move):
        return self.odoo.find("account.move", [("id", "=", move)], ["payment_state", "amount_residual", "name"])
