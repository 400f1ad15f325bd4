import logging
import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from odoo import fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import hmac

from odoo.addons.payment import utils as payment_utils

from .. import const, failures, utils

_logger = logging.getLogger(__name__)

RETURN_ROUTE = "/payment/quittance/return"

# Why the service does not take a wish that it may have had before: the payment of that name decides.
_HAD_BEFORE = {"idempotency_key_reused", "reference_in_use"}


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    quittance_payment = fields.Char(
        "Payment at Quittance",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="pay_… or, of a validation, set_…",
    )
    quittance_version = fields.Integer("Version at Quittance", readonly=True, copy=False)
    quittance_kind = fields.Selection(
        [("capture", "Capture"), ("cancel", "Void"), ("refund", "Refund")], "Asked for", readonly=True, copy=False
    )
    quittance_final = fields.Boolean("Lets go of the rest", readonly=True, copy=False)

    # === Beginning a payment in the browser === #

    def _get_specific_processing_values(self, processing_values):
        values = super()._get_specific_processing_values(processing_values)
        if self.provider_code != "quittance":
            return values
        begin = {
            "online_direct": self._quittance_begin_inline,
            "online_redirect": self._quittance_begin_page,
            "validation": self._quittance_begin_setup,
            "online_token": self._quittance_token_step,
        }.get(self.operation)
        return {**values, **self._quittance_begun(begin)} if begin else values

    def _quittance_begun(self, begin):
        """What the browser needs to go on.

        A refusal stays on the transaction, so that the next attempt is another one. Where the outcome is unknown, no
        customer can have paid yet: all is rolled back, and the next click asks for the very same under the same key.
        """
        if self.state == "error":
            return {"quittance_error": self.state_message}
        try:
            return begin()
        except ValidationError as error:
            self._set_error(str(error))
            return {"quittance_error": str(error)}
        except failures.OutcomeUnknownError as error:
            raise ValidationError(
                self.env._(
                    "The payment is not ready yet. Nothing was charged; please try again in a moment. (%s)", error
                )
            ) from None

    def _quittance_begin_inline(self):
        body = self._quittance_body()
        body.update(
            return_url=self._quittance_return_url(),
            payment_method_types=[self.provider_id._quittance_stripe_type(self.payment_method_id)],
        )
        return self._quittance_browser_values(self._quittance_ask("pay", "v1/payments", body))

    def _quittance_begin_page(self):
        body = self._quittance_body()
        body["payment_method_types"] = [self.provider_id._quittance_stripe_type(self.payment_method_id)]
        page = {
            "payment": body,
            "success_url": self._quittance_return_url(),
            "cancel_url": self._quittance_return_url(left="1"),
        }
        answer = self._quittance_ask("page", "v1/checkout_sessions", page)
        self._quittance_note(answer["payment"])
        if not answer.get("url"):
            raise failures.refused(
                self.env._("The page for this payment is closed. Please try again."), "checkout_not_open"
            )
        return {"quittance_page": utils.Secret(answer["url"])}

    def _quittance_begin_setup(self):
        body = {
            "customer": self._quittance_customer(),
            "reference": self.reference,
            "return_url": self._quittance_return_url(),
            "payment_method_types": [self.provider_id._quittance_stripe_type(self.payment_method_id)],
        }
        return self._quittance_browser_values(self._quittance_ask("setup", "v1/setups", body))

    def _quittance_token_step(self):
        """What the customer must still do where a saved method wants them to prove who they are."""
        if self.state != "pending" or not self.quittance_payment:
            return {}
        payment = self._quittance_get()
        if payment.get("state") != "requires_action":
            return {}
        action = payment.get("next_action") or {}
        redirect = (action.get("redirect_to_url") or {}).get("url")
        return {"quittance_redirect": utils.Secret(redirect)} if redirect else {}

    def _quittance_browser_values(self, payment):
        """What lets Stripe's script in this customer's browser finish it; for nobody else."""
        self._quittance_note(payment)
        values = {"return_url": self._quittance_return_url()}
        if payment.get("client_secret"):
            values["client_secret"] = utils.Secret(payment["client_secret"])
        return values

    def _get_specific_rendering_values(self, processing_values):
        values = super()._get_specific_rendering_values(processing_values)
        if self.provider_code != "quittance":
            return values
        url = urlsplit(processing_values.get("quittance_page") or "")
        # A form that is sent by GET drops the query of its address: each parameter becomes a field.
        parameters = parse_qsl(url.query, keep_blank_values=True)
        return {**values, "page_url": utils.Secret(urlunsplit(url._replace(query=""))), "page_parameters": parameters}

    def _quittance_return_url(self, **more):
        """Where the customer comes back to. Only who was sent there can come back."""
        query = {
            "reference": self.reference,
            "access_token": self._quittance_access_token(),
            **more,
        }
        return f"{self.provider_id.get_base_url().rstrip('/')}{RETURN_ROUTE}?{urlencode(query)}"

    def _quittance_access_token(self):
        """What shows that a customer was sent by us; there need not be a request to make it in."""
        return hmac(self.env(su=True), "payment_quittance.return", self.reference)

    # === What is asked for === #

    def _quittance_amount_minor(self):
        """The amount without its sign, in whole minor units."""
        minor = utils.to_minor(abs(self.amount), self.currency_id.name)
        if minor is None:
            raise ValidationError(self.env._("%(currency)s has no parts that small.", currency=self.currency_id.name))
        return minor

    def _quittance_body(self):
        """What a payment is asked for with, however it is paid."""
        provider = self.provider_id
        body = {
            "provider_account": provider.quittance_account,
            "reference": self.reference,
            "amount_minor": self._quittance_amount_minor(),
            "currency": self.currency_id.name,
            "capture_method": "manual" if provider.capture_manually else "automatic",
            "settles": self._quittance_settles(),
        }
        if provider.quittance_instance:
            body["odoo_instance"] = provider.quittance_instance
        if customer := self._quittance_find_customer():
            body["customer"] = customer
        if self.tokenize:
            body["setup_future_usage"] = "off_session"
        return body

    def _quittance_settles(self):
        """Which documents it pays, and how much of each; in their order, until nothing is left."""
        rest = self._quittance_amount_minor()
        settles = []
        for document, amount in self._quittance_documents():
            owed = utils.to_minor(amount, self.currency_id.name) or 0
            share = min(owed, rest)
            if share > 0:
                settles.append({"model": document._name, "id": document.id, "amount_minor": share})
                rest -= share
        return settles

    def _quittance_documents(self):
        """Documents of the transaction's own currency, with what is owed on each."""
        for invoice in self.sudo().invoice_ids.sorted("id"):
            if invoice.currency_id == self.currency_id:
                yield invoice, invoice.amount_residual or invoice.amount_total
        if "sale_order_ids" in self._fields:  # The module `sale` need not be there.
            for order in self.sudo().sale_order_ids.sorted("id"):
                if order.currency_id == self.currency_id:
                    yield order, order.amount_total

    def _quittance_find_customer(self):
        """The customer to name, where somebody is known to pay: who saves a method, and who is logged in.

        A payment that saves nothing goes on without where the partner cannot be told of.
        """
        if self.token_id:
            return self.token_id.quittance_customer
        if self.tokenize:
            return self._quittance_customer()
        if self.env.user._is_public() or self.partner_id.is_public:
            return None
        try:
            return self._quittance_customer()
        except (ValidationError, failures.OutcomeUnknownError) as error:
            _logger.info("transaction %s is asked for without its customer: %s", self.reference, error)
            return None

    def _quittance_customer(self):
        """The partner as the service knows them: made or changed by what Odoo knows now."""
        provider = self.provider_id
        body = {
            "provider_account": provider.quittance_account,
            "partner": f"{provider._quittance_database()}|{self.partner_id.id}",
        }
        if self.partner_name:
            body["name"] = self.partner_name[:256]
        if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", self.partner_email or ""):
            body["email"] = self.partner_email
        if re.fullmatch(r"[\d +\-().]{1,20}", self.partner_phone or ""):
            body["phone"] = self.partner_phone
        # A partner who has changed since is another wish, under the same reference.
        wish = "|".join([self.reference, *body.values()])
        key = provider._quittance_key("customer", wish)
        answer = provider._quittance_call("POST", "v1/customers", json=body, key=key, reference=self.reference)
        return answer["id"]

    def _quittance_ask(self, operation, endpoint, body):
        """Ask for money or for a method. What was asked for before a rollback is taken up again."""
        provider = self.provider_id
        amount_minor = 0 if operation == "setup" else self._quittance_amount_minor()
        key = provider._quittance_key(operation, self.reference, amount_minor)
        try:
            return provider._quittance_call("POST", endpoint, json=body, key=key, reference=self.reference)
        except ValidationError as error:
            had = operation == "pay" and failures.code_of(error) in _HAD_BEFORE and self._quittance_find_payment(body)
            if not had:
                raise
            return had

    def _quittance_find_payment(self, body):
        """The payment that this very wish made before Odoo forgot it, with the same amount, currency and customer."""
        params = {"reference": self.reference, "limit": 1}
        found = self.provider_id._quittance_call("GET", "v1/payments", params=params, reference=self.reference)
        payment = next(iter(found.get("data") or []), None)
        same = payment and all(
            payment.get(field) == body.get(field) for field in ("reference", "amount_minor", "currency", "customer")
        )
        return payment if same else None

    def _quittance_get(self, refresh=False):
        """What the service knows of it now; with `refresh`, after it asked Stripe."""
        kind = "setups" if self.quittance_payment.startswith("set_") else "payments"
        params = {"refresh": "true"} if refresh else None
        endpoint = f"v1/{kind}/{self.quittance_payment}"
        return self.provider_id._quittance_call("GET", endpoint, params=params, reference=self.reference)

    # === Acting from our side === #

    def _quittance_charge_token(self):
        """Charge a saved method; the customer is there in `online_token` only."""
        if not self.token_id:
            raise ValidationError(self.env._("The transaction has no saved payment method."))
        body = self._quittance_body()
        body["payment_method"] = self.token_id.provider_ref
        body["off_session"] = self.operation != "online_token"
        if self.operation == "online_token":
            body["return_url"] = self._quittance_return_url()
        try:
            payment = self._quittance_ask("pay", "v1/payments", body)
        except failures.OutcomeUnknownError as error:
            self._quittance_await(error)
            return
        self._quittance_process(payment)

    def _quittance_capture(self):
        """Take what is held, or a part of it. The rest goes on being held where more may be taken."""
        root = self._quittance_root()
        rest = root._quittance_held(self)
        is_last = root.currency_id.compare_amounts(self.amount, rest) >= 0
        self.write(
            {
                "quittance_kind": "capture",
                "quittance_final": bool(is_last or self.env.context.get("quittance_void_rest")),
            }
        )
        body = {
            "amount_minor": self._quittance_amount_minor(),
            "reference": self.reference,
            "final": self.quittance_final,
        }
        self._quittance_change("capture", "capture", body)

    def _quittance_void(self):
        """Let go of what is held. Where the last capture does it already, there is nothing to ask for."""
        root = self._quittance_root()
        self.quittance_kind = "cancel"
        last = root.child_transaction_ids.filtered(lambda tx: tx.quittance_final and tx.state in ("pending", "done"))
        if last:
            self._quittance_let_go(last[0])
            return
        if root.currency_id.compare_amounts(self.amount, root._quittance_held(self)) != 0:
            raise failures.refused(self.env._("Only all that is still held can be let go of."), "void_in_part")
        self._quittance_change("cancel", "cancel", {"reference": self.reference})

    def _quittance_refund(self):
        """Give money back."""
        self.quittance_kind = "refund"
        body = {"amount_minor": self._quittance_amount_minor(), "reference": self.reference}
        self._quittance_change("refund", "refunds", body)

    def _quittance_change(self, operation, endpoint, body):
        """Ask for a change of the payment, and take in what became of it."""
        root = self._quittance_root()
        if not root.quittance_payment:
            raise failures.refused(self.env._("Quittance has no payment of this transaction."), "not_found")
        key = self.provider_id._quittance_key(operation, self.reference, self._quittance_amount_minor())
        url = f"v1/payments/{root.quittance_payment}/{endpoint}"
        try:
            payment = self.provider_id._quittance_call("POST", url, json=body, key=key, reference=self.reference)
        except failures.OutcomeUnknownError as error:
            self._quittance_await(error)
            return
        root._quittance_process(payment)

    def _quittance_await(self, error):
        """Wait for news: money may have moved, so this is no error, and nothing to repeat under another name."""
        self._quittance_note(error.payment)
        message = self.env._("It is not known yet whether this went through: %s It will be told by itself.", error)
        if self.state == "draft":
            self._set_pending(state_message=message)
        else:
            self.state_message = message

    def _quittance_root(self):
        """The transaction that the customer paid, of which this may be a part."""
        root = self
        while root.source_transaction_id:
            root = root.source_transaction_id
        return root

    def _quittance_children(self):
        """All parts of it: captures, voids and refunds, and refunds of captures."""
        children = self.child_transaction_ids
        return children | children.child_transaction_ids

    def _quittance_held(self, asking):
        """What is still held for this transaction, as far as Odoo knows, beside the part that is asking."""
        parts = (self.child_transaction_ids - asking).filtered(
            lambda tx: tx.operation == self.operation and tx.state in ("pending", "done", "cancel")
        )
        return self.currency_id.round(self.amount - sum(parts.mapped("amount")))

    # === The customer is back === #

    def _quittance_come_back(self, left=False):
        """Take in where the payment stands. Who left Stripe's page without paying does not pay there any more."""
        self.ensure_one()
        if not self.quittance_payment:
            return
        try:
            self._quittance_process(self._quittance_get(refresh=True))
            if left and self.state == "draft":
                self._quittance_call_off()
        except ValidationError as error:
            _logger.info("transaction %s: %s", self.reference, error)
        except failures.OutcomeUnknownError as error:
            self._quittance_await(error)

    def _quittance_call_off(self):
        key = self.provider_id._quittance_key("cancel", self.reference, self._quittance_amount_minor())
        url = f"v1/payments/{self.quittance_payment}/cancel"
        body = {"reason": "abandoned"}
        self._quittance_process(
            self.provider_id._quittance_call("POST", url, json=body, key=key, reference=self.reference)
        )

    def action_quittance_refresh(self):
        """Ask what became of it. What never reached the service is asked for again, under the same key."""
        payment_utils.check_rights_on_recordset(self)
        for tx in self.sudo():
            try:
                tx._quittance_catch_up()
            except failures.OutcomeUnknownError as error:
                raise UserError(self.env._("It is still not known: %s", error)) from None

    def _quittance_catch_up(self):
        root = self._quittance_root()
        if not root.quittance_payment:
            root._quittance_recover()
            return
        payment = root._quittance_get(refresh=True)
        root._quittance_process(payment)
        known = {operation.get("reference") for operation in payment.get("operations") or []}
        again = {"capture": self._quittance_capture, "cancel": self._quittance_void, "refund": self._quittance_refund}
        if self.state == "pending" and self.quittance_kind and self.reference not in known:
            self._quittance_again(again[self.quittance_kind])

    def _quittance_recover(self):
        """Find a payment whose making was not answered."""
        if self.token_id and self.state == "pending":
            self._quittance_again(self._quittance_charge_token)
            return
        params = {"reference": self.reference, "limit": 1}
        found = self.provider_id._quittance_call("GET", "v1/payments", params=params, reference=self.reference)
        payment = next(iter(found.get("data") or []), None)
        if payment:
            self._quittance_process(payment)

    def _quittance_again(self, send):
        try:
            send()
        except ValidationError as error:
            self._set_error(str(error))

    # === Taking in === #

    def _quittance_amount_data(self, payment):
        """The amount in core's form; none where a payment does not tell it, as a setup does not."""
        currency = payment.get("currency")
        if "amount_minor" not in payment or utils.decimals(currency) is None:
            return None
        return {"amount": utils.from_minor(payment["amount_minor"], currency), "currency_code": currency}

    def _quittance_apply(self, payment):
        """Take in a payment or a setup as the service tells it: in an answer, or as news.

        What moves our transactions goes through here. Safe to repeat, in any order: what is older than what was taken
        in changes nothing.
        """
        self.ensure_one()
        if self.quittance_payment and payment.get("id") != self.quittance_payment:
            _logger.warning("transaction %s is %s, not %s", self.reference, self.quittance_payment, payment.get("id"))
            return
        version = payment.get("version") or 0
        if version and version < self.quittance_version:
            return
        self._quittance_note(payment)
        self._quittance_update_children(payment)
        self._quittance_sync_children(payment)
        self._quittance_set_state(self._quittance_state(payment), payment)

    def _quittance_note(self, payment):
        """Remember by which names the service and Stripe know it, and what it was paid with."""
        values = {}
        if payment.get("id"):
            values["quittance_payment"] = payment["id"]
        if payment.get("provider_reference"):
            values["provider_reference"] = payment["provider_reference"]
        if payment.get("version"):
            values["quittance_version"] = payment["version"]
        method = payment.get("payment_method")
        if isinstance(method, dict) and (known := self._quittance_method(method)):
            values["payment_method_id"] = known.id
        changed = {field: value for field, value in values.items() if self._quittance_value(field) != value}
        if changed:
            self.write(changed)

    def _quittance_value(self, field):
        value = self[field]
        return value.id if isinstance(value, models.BaseModel) else value

    def _quittance_method(self, method):
        """Odoo's method of what was paid with, where it is another than was chosen; as on Stripe's page."""
        kind = method.get("kind")
        if not kind or self.provider_id._quittance_stripe_type(self.payment_method_id) == kind:
            return None
        methods = self.provider_id.with_context(active_test=False).payment_method_ids
        return methods.filtered(lambda known: self.provider_id._quittance_stripe_type(known) == kind)[:1]

    def _quittance_state(self, payment):
        """The state that Odoo has for where a payment or a setup stands."""
        if payment.get("odoo_state"):
            return payment["odoo_state"]
        state = payment.get("state")
        if state == "created":
            return "error" if payment.get("decline") else "draft"
        return {
            "requires_action": "pending",
            "processing": "pending",
            "unknown": "pending",
            "authorized": "authorized",
            "captured": "done",
            "succeeded": "done",
            "failed": "error",
            "canceled": "cancel",
        }.get(state, "draft")

    def _quittance_set_state(self, state, payment):
        """Move to a state. Where money is, wins: a payment that was given up and is paid all the same is paid."""
        if state in ("draft", self.state):
            return
        match state:
            case "pending":
                message = payment.get("state") == "requires_action" and self.env._(
                    "The customer must confirm the payment."
                )
                self._set_pending(state_message=message or None, extra_allowed_states=("error",))
            case "authorized":
                self._set_authorized(extra_allowed_states=("error", "cancel"))
            case "done":
                self._set_done(extra_allowed_states=("cancel",))
            case "cancel":
                self._set_canceled(extra_allowed_states=("error",))
            case "error":
                self._set_error(self._quittance_why(payment))

    def _quittance_why(self, payment):
        """Why a payment was declined, in words for the customer."""
        decline = payment.get("decline") or {}
        message = decline.get("message") or self.env._("The payment was declined.")
        if decline.get("code") == "authentication_required":
            message = self.env._("%s The customer must confirm it: send them a payment link.", message)
        return message

    # === Parts === #

    def _quittance_sync_children(self, payment):
        """Make the parts that were asked for elsewhere, as in Stripe's dashboard."""

    def _quittance_update_children(self, payment):
        """Bring the parts that Odoo asked for to where their operations are."""
        operations = {
            operation["reference"]: operation
            for operation in payment.get("operations") or []
            if operation.get("reference")
        }
        for child in self._quittance_children():
            if operation := operations.get(child.reference):
                child._quittance_apply_operation(operation, payment)
        voids = self.child_transaction_ids.filtered(
            lambda tx: tx.quittance_kind == "cancel" and tx.state == "pending" and tx.reference not in operations
        )
        last = self.child_transaction_ids.filtered("quittance_final")[:1]
        for child in voids if last else ():
            child._quittance_let_go(last)

    def _quittance_apply_operation(self, operation, payment):
        """Bring one part to where its operation is."""
        refund = self._quittance_refund_of(operation, payment)
        state = const.CHILD_STATES.get(operation["state"]) or const.DONE_STATES.get(operation["kind"])
        if state == "done" and operation["kind"] == "refund":
            state = const.REFUND_STATES.get(refund.get("state"), "pending")
        self._quittance_note(
            {"provider_reference": refund.get("provider_reference") or payment.get("provider_reference")}
        )
        if state in (None, self.state):
            return
        match state:
            case "pending":
                self._set_pending(state_message=None)
            case "done":
                self._set_done(extra_allowed_states=("cancel",))
            case "cancel":
                self._set_canceled()
            case "error":
                message = operation.get("error_message") or self.env._("It did not go through.")
                # A refund may come back after it had gone.
                self._set_error(message, extra_allowed_states=("done",))

    def _quittance_refund_of(self, operation, payment):
        """The refund that an operation made. An answer that does not say which is which decides by all of them."""
        refunds = payment.get("refunds") or []
        named = [refund for refund in refunds if refund.get("operation") == operation["id"]]
        if named:
            return named[0]
        if any("operation" in refund for refund in refunds) or operation["kind"] != "refund":
            return {}
        return refunds[-1] if all(refund["state"] == "succeeded" for refund in refunds) and refunds else {}

    def _quittance_let_go(self, capture):
        """Follow the capture that lets go of what is left."""
        match capture.state:
            case "done":
                self._set_canceled()
            case "pending":
                self._quittance_await(
                    failures.OutcomeUnknownError(self.env._("The capture before it has no outcome yet."))
                )
            case "error":
                self._set_error(self.env._("The capture that was to let go of it did not go through."))

    # === Saved methods === #

    def _quittance_token_values(self, payment):
        """What a saved method is kept with; nothing where the payment does not tell it yet, or it is kept already."""
        method = payment.get("payment_method")
        if isinstance(method, str):
            try:
                method = self.provider_id._quittance_call(
                    "GET", f"v1/payment_methods/{method}", reference=self.reference
                )
            except (ValidationError, failures.OutcomeUnknownError) as error:
                _logger.info("transaction %s: its method is not told yet: %s", self.reference, error)
                return {}
        if not method or method.get("state", "active") != "active" or self.partner_id.is_public:
            return {}
        kept = self.env["payment.token"].search(
            [
                ("provider_id", "=", self.provider_id.id),
                ("provider_ref", "=", method["id"]),
                ("partner_id", "=", self.partner_id.id),
            ],
            limit=1,
        )
        if kept:
            self.write({"token_id": kept.id, "tokenize": False})
            return {}
        customer = payment.get("customer")
        return {
            "provider_ref": method["id"],
            "payment_details": method.get("last4"),
            "quittance_customer": customer.get("id") if isinstance(customer, dict) else customer,
        }
