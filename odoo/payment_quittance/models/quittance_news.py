# One file for each concern. pylint: disable=consider-merging-classes-inherited
import logging

import psycopg2
from psycopg2 import errorcodes

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError

from ..chatter import Chatter
from ..exceptions import Later, Rejected
from ..signature import is_signed
from .quittance_letter import LATER

_logger = logging.getLogger(__name__)

# How long one request waits for another transaction's rows, altogether shorter than the sender's patience.
LOCK_TIMEOUT_MS = 2000

# What Postgres says where another transaction was there first; sent again, the message finds what that left.
CONCURRENT = {
    errorcodes.SERIALIZATION_FAILURE,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.LOCK_NOT_AVAILABLE,
    errorcodes.UNIQUE_VIOLATION,
}

# The kinds of messages, with the key under which each holds what it tells of.
SUBJECTS = {
    "payment.updated": "payment",
    "setup.updated": "setup",
    "payment_method.updated": "payment_method",
    "dispute.updated": "dispute",
    "payment.linked": "link",
    "ledger.booked": "booking",
}


class QuittanceNews(models.AbstractModel):
    """Takes in what Quittance tells: each message once, and none at the cost of another."""

    _name = "quittance.news"
    _description = "News from Quittance"

    # === Who says it, and to whom === #

    @api.model
    def _find_signers(self, headers, body, now):
        """The providers under whose secret a request is signed."""
        providers = self.env["payment.provider"].sudo().search([("code", "=", "quittance")])
        return providers.filtered(lambda provider: is_signed(provider._quittance_live_secrets(), headers, body, now))

    @api.model
    def _find_addressee(self, providers, batch):
        """The one of these providers that a batch is for."""
        database = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        if batch.get("database") != database:
            return providers.browse()
        return providers.filtered(lambda provider: str(provider.company_id.id) == batch.get("company"))[:1]

    # === A batch === #

    @api.model
    def _take_in(self, provider, messages):
        """Apply messages whose signature was checked.

        Payments come first with their accounting, then what else was told, then the bookings, which meet payments.
        What fails is rolled back alone.

        :return: one result for each message, in their order
        """
        chatter = Chatter()
        kept = {"quittance_chatter": chatter, LATER: provider.id}
        news = self.with_user(SUPERUSER_ID).with_company(provider.company_id).with_context(**kept)
        provider = provider.with_env(news.env)
        news.env.cr.execute("SET LOCAL lock_timeout = %s", [f"{LOCK_TIMEOUT_MS}ms"])
        results = news._known(messages)
        if len(results) < len(messages) and not news._has_books(provider):
            results = {message["id"]: news._result("later") for message in messages} | results
        new = [message for message in messages if message["id"] not in results]
        bookings = {message["id"]: message for message in new if message["type"] == "ledger.booked"}
        others = {message["id"]: message for message in reversed(new) if message["id"] not in bookings}
        done = {}
        results.update(news._take_in_all(provider, list(others.values())[::-1], done))
        for message_id, result in news._account(done).items():
            results[message_id] = result
        results.update(news._book(provider, list(bookings.values())))
        news._write_chatter(chatter)
        words = ("result", "reason", "records")
        return [{"id": message["id"], **{word: results[message["id"]][word] for word in words}} for message in messages]

    @api.model
    def _has_books(self, provider):
        """Whether the company's books are this transaction's alone until it ends.

        Of two that number entries of one journal at once only one can end well: the other one is told so before it
        has worked for nothing.
        """
        return self._try_lock(f"books:{provider.company_id.id}")

    @api.model
    def _known(self, messages):
        """The results of messages that were taken in before, by their ids."""
        known = self.env["quittance.message"].search([("message_id", "in", [message["id"] for message in messages])])
        return {row.message_id: self._result("duplicate", records=row.records or []) for row in known}

    @api.model
    def _take_in_all(self, provider, messages, done):
        """Apply what are no bookings: together, and one by one where something stands in the way.

        :param done: as `_take_in_one` has it
        """
        results, gathered = {}, {}
        if len(messages) > 1:

            def together():
                for message in messages:
                    results[message["id"]] = self._take_in_one(provider, message, gathered)

            if self._attempt(together)["result"] == "applied":
                done.update(gathered)
                return results
        for message in messages:
            result = self._attempt(lambda message=message: self._take_in_one(provider, message, done))
            if result["result"] != "applied":
                done.pop(message["id"], None)
            results[message["id"]] = result
        return results

    @api.model
    def _take_in_one(self, provider, message, done):
        """Apply one message and note it.

        :param done: gathers, by the message's id, the noted message and the transactions whose accounting is due
        """
        key = SUBJECTS.get(message["type"])
        if key is None:
            raise Rejected(self.env._("This addon does not know %s: it is older than its Quittance.", message["type"]))
        told = message.get(key)
        subject = told.get("source" if key == "link" else "id") if isinstance(told, dict) else None
        if not isinstance(subject, str):
            raise Rejected(self.env._("The message holds no %s.", key))
        self._lock(subject)
        noted = self._note(provider, message, subject, told)
        if not noted:
            return self._result("stale")
        take_in = {
            "payment": self.env["payment.transaction"]._quittance_take_in_payment,
            "setup": self.env["payment.transaction"]._quittance_take_in_setup,
            "payment_method": self.env["payment.token"]._quittance_take_in_method,
            "dispute": self.env["payment.transaction"]._quittance_take_in_dispute,
            "link": self.env["account.payment"]._quittance_take_in_link,
        }[key]
        try:
            records = take_in(provider, told)
        except (KeyError, TypeError, AttributeError) as error:
            _logger.exception("Message %s cannot be read", message["id"])
            raise Rejected(self.env._("The message cannot be read: %s.", type(error).__name__)) from error
        named = self._list_records(records)
        noted.records = named
        if key == "payment":
            done[message["id"]] = (noted, records)
        return self._result("applied", records=named)

    @api.model
    def _lock(self, subject):
        """Have a subject for this transaction alone, or say that another one has it."""
        if not self._try_lock(subject):
            raise Later()

    @api.model
    def _try_lock(self, name):
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"quittance:{name}"])
        return self.env.cr.fetchone()[0]

    @api.model
    def _note(self, provider, message, subject, told):
        """Note a message as taken in; nothing where a later one was before."""
        version = told.get("version", message.get("sequence"))
        if not isinstance(version, int):
            version = 0
        messages = self.env["quittance.message"]
        later = [
            ("provider_id", "=", provider.id),
            ("kind", "=", message["type"]),
            ("subject", "=", subject),
            ("version", ">=", version),
        ]
        if messages.search_count(later, limit=1):
            return messages
        return messages._insert(provider, [(message["id"], message["type"], subject, version)])

    # === Accounting === #

    @api.model
    def _account(self, done):
        """Post what payments brought: together, and one by one where something stands in the way.

        :param done: by the message's id, the noted message and its transactions
        :return: the results that differ from `applied`
        """
        # One on its way has nothing to post, and may be over in a moment: if it is not, Odoo's job mails of it.
        due = {
            message_id: (noted, records.filtered(lambda tx: not tx.is_post_processed and tx.state != "pending"))
            for message_id, (noted, records) in done.items()
        }
        due = {message_id: found for message_id, found in due.items() if found[1]}
        if not due:
            return {}
        together = self.env["payment.transaction"].union(*(records for _noted, records in due.values()))
        if len(due) > 1 and self._attempt(together._quittance_post_together)["result"] == "applied":
            return {}
        differ = {}
        for message_id, (noted, records) in due.items():
            result = self._attempt(lambda records=records: records._post_process())
            if result["result"] == "applied":
                continue
            if result["result"] == "later" or result.get("is_for_people"):
                noted.unlink()
                differ[message_id] = result
            else:
                reason = result["reason"]
                self._attempt(lambda records=records, reason=reason: records._quittance_raise_accounting(reason))
        return differ

    # === Bookings === #

    @api.model
    def _book(self, provider, messages):
        """Write bookings: together, and one by one where something stands in the way."""
        if not messages:
            return {}
        results = {}
        attempt = self._attempt(lambda: results.update(self._book_together(provider, messages)))
        if attempt["result"] == "applied":
            return results
        results.clear()
        for message in messages:
            found = {}
            attempt = self._attempt(
                lambda message=message, found=found: found.update(self._book_together(provider, [message]))
            )
            results[message["id"]] = found.get(message["id"], attempt) if attempt["result"] == "applied" else attempt
        return results

    @api.model
    def _book_together(self, provider, messages):
        bookings = []
        for message in messages:
            booking = message.get("booking")
            if not isinstance(booking, dict) or not isinstance(booking.get("source"), str):
                raise Rejected(self.env._("The message holds no booking."))
            self._lock(booking["source"])
            bookings.append(booking)
        noted = self.env["quittance.message"]._insert(
            provider,
            [
                (message["id"], message["type"], booking["source"], 0)
                for message, booking in zip(messages, bookings, strict=True)
            ],
        )
        try:
            written = self.env["quittance.booking"]._write_down(provider, bookings)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            _logger.exception("A booking cannot be read")
            raise Rejected(self.env._("The message cannot be read: %s.", type(error).__name__)) from error
        results = {}
        for message, row, records in zip(messages, noted, written, strict=True):
            row.records = named = self._list_records(records)
            results[message["id"]] = self._result("applied", records=named)
        return results

    # === The chatter === #

    @api.model
    def _write_chatter(self, chatter):
        """Write the notes. That one cannot be written takes back nothing that was applied."""
        for (model, author), bodies in chatter.by_author().items():
            records = self.env[model].browse(bodies).exists()
            result = self._attempt(
                lambda records=records, bodies=bodies, author=author: (
                    records._message_log_batch(bodies, author_id=author) and None
                )
            )
            if result["result"] != "applied":
                _logger.warning("Notes on %s could not be written: %s", records, result["reason"])

    # === Results === #

    @api.model
    def _attempt(self, act):
        """Do something in a savepoint, and say how it ended. What did not end well said nothing in the chatter."""
        chatter = self.env.context.get("quittance_chatter", Chatter())
        mark = chatter.mark()
        result = self._try(act)
        if result["result"] != "applied":
            chatter.go_back(mark)
        return result

    @api.model
    def _try(self, act):
        try:
            with self.env.cr.savepoint():
                return act() or self._result("applied")
        except Later:
            return self._result("later")
        except psycopg2.Error as error:
            if error.pgcode in CONCURRENT:
                return self._result("later")
            _logger.exception("Postgres refused what a message of Quittance's says")
            return self._result("rejected", self.env._("Odoo's database refused it (%s).", error.pgcode))
        except Rejected as error:
            return {**self._result("rejected", str(error)), "is_for_people": True}
        except UserError as error:
            return self._result("rejected", str(error))
        except Exception as error:  # pylint: disable=broad-except
            _logger.exception("A message of Quittance's could not be applied")
            return self._result("rejected", self.env._("Odoo failed to apply it (%s).", type(error).__name__))

    @api.model
    def _result(self, word, reason=None, records=()):
        return {"result": word, "reason": reason, "records": list(records)}

    @api.model
    def _list_records(self, records):
        return [{"model": record._name, "id": record.id} for record in records]


class PaymentProvider(models.Model):
    _inherit = "payment.provider"

    def _quittance_live_secrets(self):
        """The secrets that sign now: the current one, and the one before while it is rolled."""
        self.ensure_one()
        secrets = [self.quittance_signing_secret]
        until = self.quittance_previous_secret_until
        if self.quittance_previous_secret and until and until > fields.Datetime.now():
            secrets.append(self.quittance_previous_secret)
        return [secret for secret in secrets if secret]
