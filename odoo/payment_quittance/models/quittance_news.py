# One file for each concern. pylint: disable=consider-merging-classes-inherited
import logging
from typing import NamedTuple

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


class Told(NamedTuple):
    """What a message tells of, as far as it is read without looking at any record."""

    id: str
    type: str
    key: str
    subject: str
    version: int
    whole: dict


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
        new = {message["id"]: message for message in reversed(messages) if message["id"] not in results}
        new = dict(reversed(new.items()))
        posting = [message_id for message_id, message in new.items() if news._may_post(message)]
        if posting and not news._has_books(provider):
            results.update({message_id: news._result("later") for message_id in posting})
            new = {message_id: message for message_id, message in new.items() if message_id not in results}
        bookings = [message for message in new.values() if message["type"] == "ledger.booked"]
        others = [message for message in new.values() if message["type"] != "ledger.booked"]
        done = {}
        results.update(news._take_in_all(provider, others, done))
        results.update(news._account(done))
        results.update(news._book(provider, bookings))
        news._write_chatter(chatter)
        words = ("result", "reason", "records")
        return [{"id": message["id"], **{word: results[message["id"]][word] for word in words}} for message in messages]

    @api.model
    def _has_books(self, provider):
        """Whether the company's books are this transaction's alone until it ends.

        Of two that number entries of one journal at once only one can end well: the other one is told so before it
        has worked for nothing.
        """
        return not self._lock_all([f"books:{provider.company_id.id}"])

    @api.model
    def _may_post(self, message):
        """Whether a message may bring an entry. What only says how a payment stands waits for nobody's books."""
        if message["type"] in ("ledger.booked", "payment.linked"):
            return True
        payment = message.get("payment")
        if message["type"] != "payment.updated" or not isinstance(payment, dict):
            return False
        return bool(payment.get("odoo_state") == "done" or payment.get("captures") or payment.get("refunds"))

    @api.model
    def _known(self, messages):
        """The results of messages that were taken in before, by their ids."""
        known = self.env["quittance.message"].search([("message_id", "in", [message["id"] for message in messages])])
        return {row.message_id: self._result("duplicate", records=row.records or []) for row in known}

    @api.model
    def _take_in_all(self, provider, messages, done):
        """Apply what are no bookings: together, and one by one where something stands in the way.

        :param done: gathers, by the message's id, the noted message and the transactions whose accounting is due
        """
        results, told = {}, []
        for message in messages:
            try:
                told.append(self._read(message))
            except Rejected as error:
                results[message["id"]] = self._refusal(error)
        busy = self._lock_all([each.subject for each in told])
        results.update({each.id: self._result("later") for each in told if each.subject in busy})
        results.update(
            {each.id: self._result("stale") for each in self._stale(provider, told) if each.id not in results}
        )
        told = [each for each in told if each.id not in results]
        gathered, found = {}, {}
        if len(told) > 1:
            attempt = self._attempt(lambda: found.update(self._take_in_together(provider, told, gathered)))
            if attempt["result"] == "applied":
                done.update(gathered)
                return results | found
        for each in told:
            attempt = self._attempt(lambda each=each: self._take_in_together(provider, [each], done)[each.id])
            if attempt["result"] != "applied":
                done.pop(each.id, None)
            results[each.id] = attempt
        return results

    @api.model
    def _read(self, message):
        """What a message tells of."""
        key = SUBJECTS.get(message["type"])
        if key is None:
            raise Rejected(self.env._("This addon does not know %s: it is older than its Quittance.", message["type"]))
        whole = message.get(key)
        subject = whole.get("source" if key == "link" else "id") if isinstance(whole, dict) else None
        if not isinstance(subject, str):
            raise Rejected(self.env._("The message holds no %s.", key))
        version = whole.get("version", message.get("sequence"))
        return Told(message["id"], message["type"], key, subject, version if isinstance(version, int) else 0, whole)

    @api.model
    def _stale(self, provider, told):
        """Those of which one as new or newer was taken in before."""
        if not told:
            return []
        latest = {
            (kind, subject): version
            for kind, subject, version in self.env["quittance.message"]._read_group(
                [("provider_id", "=", provider.id), ("subject", "in", [each.subject for each in told])],
                ["kind", "subject"],
                ["version:max"],
            )
        }
        stale = []
        for each in told:
            subject = (each.type, each.subject)
            if subject in latest and latest[subject] >= each.version:
                stale.append(each)
            else:
                latest[subject] = each.version
        return stale

    @api.model
    def _take_in_together(self, provider, told, done):
        """Note messages and apply them; the first that fails ends it.

        :param done: as `_take_in_all` has it
        :return: the results by the messages' ids
        """
        noted = self.env["quittance.message"]._insert(
            provider, [(each.id, each.type, each.subject, each.version) for each in told]
        )
        references = [each.whole.get("reference") for each in told if each.key in ("payment", "setup")]
        transactions = self.env["payment.transaction"]._quittance_hold(references)
        results = {}
        for each, row in zip(told, noted, strict=True):
            records = self._take_in_one(provider, each, transactions)
            row.records = named = self._list_records(records)
            if each.key == "payment":
                done[each.id] = (row, records)
            results[each.id] = self._result("applied", records=named)
        return results

    @api.model
    def _take_in_one(self, provider, told, transactions):
        """Apply what one message tells.

        :param transactions: those that payments and setups may be of, held
        :return: the records that it is about
        """
        take_in = {
            "payment": transactions._quittance_take_in_payment,
            "setup": transactions._quittance_take_in_setup,
            "payment_method": self.env["payment.token"]._quittance_take_in_method,
            "dispute": self.env["payment.transaction"]._quittance_take_in_dispute,
            "link": self.env["account.payment"]._quittance_take_in_link,
        }[told.key]
        try:
            return take_in(provider, told.whole)
        except (KeyError, TypeError, AttributeError) as error:
            _logger.exception("Message %s cannot be read", told.id)
            raise Rejected(self.env._("The message cannot be read: %s.", type(error).__name__)) from error

    @api.model
    def _lock(self, subject):
        """Have a subject for this transaction alone, or say that another one has it."""
        if self._lock_all([subject]):
            raise Later()

    @api.model
    def _lock_all(self, names):
        """Have things for this transaction alone; those that another one has."""
        self.env.cr.execute(
            "SELECT name FROM unnest(%s::text[]) name"
            " WHERE NOT pg_try_advisory_xact_lock(hashtextextended('quittance:' || name, 0))",
            [list(names)],
        )
        return {row[0] for row in self.env.cr.fetchall()}

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
            bookings.append(booking)
        if self._lock_all([booking["source"] for booking in bookings]):
            raise Later()
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
        """Write what was kept. That something cannot be written takes back nothing that was applied."""
        for model, changes in chatter.changes_by_model().items():
            records = self.env[model].browse(changes).exists()
            self._try_to_write(
                records, lambda records=records, changes=changes: records._quittance_log_changes(changes)
            )
        for (model, author), bodies in chatter.by_author().items():
            records = self.env[model].browse(bodies).exists()
            self._try_to_write(
                records,
                lambda records=records, bodies=bodies, author=author: records._message_log_batch(
                    bodies, author_id=author
                ),
            )

    @api.model
    def _try_to_write(self, records, write):
        result = self._attempt(lambda: write() and None)
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
            return self._refusal(error)
        except UserError as error:
            return self._result("rejected", str(error))
        except Exception as error:  # pylint: disable=broad-except
            _logger.exception("A message of Quittance's could not be applied")
            return self._result("rejected", self.env._("Odoo failed to apply it (%s).", type(error).__name__))

    @api.model
    def _refusal(self, error):
        return {**self._result("rejected", str(error)), "is_for_people": True}

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
