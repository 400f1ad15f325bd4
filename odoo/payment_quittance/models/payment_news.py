# One file for each concern. pylint: disable=consider-merging-classes-inherited
import psycopg2

from odoo import api, fields, models

from .. import utils
from ..exceptions import Later, Rejected
from ..unique import make_unique

# How a payment stands that took or holds money, or may yet: what Odoo lost of it is made again.
ALIVE = ("pending", "authorized", "done")


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    quittance_source = fields.Char(
        "Source", readonly=True, copy=False, help="What the provider calls the capture or refund: each is told once."
    )
    quittance_operation = fields.Char("Operation of Quittance", readonly=True, copy=False)
    quittance_is_held = fields.Boolean("Captured by hand", readonly=True, copy=False)
    quittance_returned_on = fields.Date("Came back on", readonly=True, copy=False)
    quittance_booked_on = fields.Date("Booked on", readonly=True, copy=False, help="The day at the provider, in UTC.")

    def init(self):
        for field in ("quittance_source", "quittance_operation"):
            make_unique(self.env.cr, self._table, "provider_id", field)
        return super().init()

    def _quittance_is_in_hand(self):
        """Whether news writes this transaction just now, or did since this database transaction began; else hold it."""
        self.ensure_one()
        news, cr = self.env["quittance.news"], self.env.cr
        try:
            with cr.savepoint(flush=False):
                news._lock(self.quittance_payment)
                held = "SELECT id FROM payment_transaction WHERE id = %s FOR UPDATE NOWAIT"
                cr.execute(held, [self.id], log_exceptions=False)
        except (Later, psycopg2.OperationalError):
            return True
        return False

    # === A payment === #

    def _quittance_take_in_payment(self, provider, payment):
        """Have a payment's transaction and its children stand as the payment does.

        Called on transactions that are held, of which it may be one.

        :return: the transactions that it is about
        """
        self._quittance_check_mode(provider, payment)
        tx = self._quittance_find(provider, payment)
        if tx is None:
            return self.browse()
        if not tx:
            if payment["odoo_state"] not in ALIVE:
                return tx
            tx = self._quittance_recreate(provider, payment)
            if not tx:
                return tx
        tx._quittance_process(payment)
        return tx | tx._quittance_children()

    @api.model
    def _quittance_check_mode(self, provider, payment):
        connected = provider.quittance_mode
        if connected and payment.get("mode") and payment["mode"] != connected:
            raise Rejected(
                self.env._(
                    "The payment is of mode %(mode)s, and this Odoo is connected in mode %(connected)s.",
                    mode=payment["mode"],
                    connected=connected,
                )
            )

    def _quittance_find(self, provider, payment):
        """The transaction of a payment: the one with its reference, if it is about the same money.

        :return: nothing where there is none, None where another payment took this one's place
        """
        tx = self._quittance_named(payment["reference"])
        if not tx:
            return tx
        if tx.provider_code != "quittance" or tx.company_id != provider.company_id:
            raise Rejected(self.env._("%s is a transaction of another provider or company.", tx.reference))
        if not tx._quittance_is_of(payment):
            if payment["odoo_state"] not in ("authorized", "done") and not payment.get("captures"):
                return None
            raise Rejected(
                self.env._(
                    "%(reference)s belongs to %(other)s, and %(payment)s took money under the same name.",
                    reference=tx.reference,
                    other=tx.provider_reference or tx.quittance_payment,
                    payment=payment.get("provider_reference") or payment["id"],
                )
            )
        is_same = utils.to_minor(tx.amount, tx.currency_id.name) == payment["amount_minor"]
        if tx.currency_id.name != payment["currency"] or not is_same:
            raise Rejected(
                self.env._(
                    "%(reference)s is over %(amount)s %(currency)s, and the payment over %(minor)s minor units of"
                    " %(other)s.",
                    reference=tx.reference,
                    amount=tx.amount,
                    currency=tx.currency_id.name,
                    minor=payment["amount_minor"],
                    other=payment["currency"],
                )
            )
        return tx

    def _quittance_is_of(self, payment):
        """Whether nothing says that a transaction is another payment's."""
        known = [
            (self.quittance_payment, payment["id"]),
            (self.provider_reference, payment.get("provider_reference")),
        ]
        return all(not own or not told or own == told for own, told in known)

    @api.model
    def _quittance_hold(self, references):
        """The transactions of these references, held, and what is linked to them read at once."""
        found = self.search([("reference", "in", [name for name in references if isinstance(name, str)])])
        if found:
            found._quittance_lock()
            found.fetch(links for links in ("invoice_ids", "sale_order_ids") if links in self._fields)
        return found

    def _quittance_named(self, reference):
        """The one of these that has a reference, or one that another message of the batch just made."""
        return self.filtered(lambda tx: tx.reference == reference) or self._quittance_hold([reference])

    def _quittance_lock(self):
        """Hold the transactions and their children until this transaction of Postgres ends, or fail at once."""
        ids = tuple((self | self._quittance_children()).ids)
        self.env.cr.execute(
            "SELECT id FROM payment_transaction WHERE id IN %s ORDER BY id FOR UPDATE NOWAIT",
            [ids],
            log_exceptions=False,
        )

    # === A transaction that Odoo lost === #

    @api.model
    def _quittance_recreate(self, provider, payment):
        """Make the transaction again that Odoo rolled back after the money was asked for.

        Where nobody knows whose it is, a person is told instead.
        """
        documents = provider._quittance_documents(payment.get("settles") or [])
        partner = provider._quittance_partner(payment.get("customer") or {}) or next(
            (records.partner_id[:1] for records in documents.values() if records.partner_id), None
        )
        currency = self.env["res.currency"].with_context(active_test=False).search([("name", "=", payment["currency"])])
        if not partner or not currency:
            provider._quittance_raise(
                next(iter(documents.values()), self)[:1] or provider.company_id.partner_id,
                subject=payment["id"],
                summary=self.env._("A payment without a transaction"),
                note=self.env._(
                    "%(payment)s (%(reference)s) of %(minor)s minor units of %(currency)s stands at %(state)s, and Odoo"
                    " has no transaction of it and no customer to make one for.",
                    payment=payment.get("provider_reference") or payment["id"],
                    reference=payment["reference"],
                    minor=payment["amount_minor"],
                    currency=payment["currency"],
                    state=payment["odoo_state"],
                ),
            )
            return self.browse()
        values = {
            "provider_id": provider.id,
            "payment_method_id": provider._quittance_paid_with(payment.get("payment_method") or {}).id,
            "reference": payment["reference"],
            "provider_reference": payment.get("provider_reference"),
            "amount": utils.from_minor(payment["amount_minor"], currency.name),
            "currency_id": currency.id,
            "partner_id": partner.id,
            "operation": "online_direct",
        }
        links = {"account.move": "invoice_ids", "sale.order": "sale_order_ids"}
        for model, records in documents.items():
            if links[model] in self._fields:
                values[links[model]] = [fields.Command.set(records.ids)]
        return self.create(values)


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    def _quittance_documents(self, settles):
        """The documents of this company that a payment settles, by their model."""
        found = {}
        for model in ("account.move", "sale.order"):
            ids = [document["id"] for document in settles if document.get("model") == model]
            if ids and model in self.env:
                records = self.env[model].browse(ids).exists()
                found[model] = records.filtered(lambda record: record.company_id == self.company_id)
        return {model: records for model, records in found.items() if records}

    def _quittance_partner(self, customer):
        """The partner that a customer of Quittance's is, if it is one of this database."""
        partners = self.env["res.partner"]
        database, _bar, number = (customer.get("partner") or "").partition("|")
        own = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        if database != own or not number.isdecimal():
            return partners
        partner = partners.browse(int(number)).exists()
        return partner.filtered(lambda found: not found.company_id or found.company_id == self.company_id)

    def _quittance_paid_with(self, method):
        """Odoo's payment method for what a customer paid with; a card where nothing is told."""
        methods = self.with_context(active_test=False).payment_method_ids
        kind = method.get("kind") or "card"
        found = methods.filtered(lambda known: self._quittance_stripe_type(known) == kind)
        return found[:1] or methods.filtered(lambda known: known.code == "card") or methods[:1]
