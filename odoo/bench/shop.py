"""A shop in an Odoo: customers' invoices, and what Stripe and Quittance would tell of them.

Runs inside `odoo-bin shell`.
"""

import json
import time

SECRET = "whsec_c2VjcmV0IG9mIHRoZSBiZW5jaCwgbm90IG9mIGFueWJvZHk="
PRICE = 121.0
MODULES = ("payment_quittance", "payment_stripe", "sale")


def open_shop(env):
    """Our provider with its books and Stripe's own, both ready."""
    company = env.company
    if not company.chart_template:
        env["account.chart.template"].try_loading("generic_coa", company, install_demo=False)
    ours = env["payment.provider"].search([("code", "=", "quittance"), ("company_id", "=", company.id)])
    ours.write(
        {
            "quittance_url": "http://127.0.0.1:9",
            "quittance_api_key": "qk_test_bench",
        }
    )
    connection = {
        "publishable_key": "pk_test_bench",
        "odoo_instance": "odo_bench",
        "provider_account": "acc_bench",
        "mode": "test",
        "signing_secret": SECRET,
        "currencies": [company.currency_id.name],
    }
    ours._quittance_keep_connection(connection)
    ours.state = "test"
    theirs = env["payment.provider"].search([("code", "=", "stripe"), ("company_id", "=", company.id)])
    theirs.write(
        {
            "stripe_secret_key": "sk_test_bench",
            "stripe_publishable_key": "pk_test_bench",
            "stripe_webhook_secret": SECRET,
            "state": "test",
        }
    )
    env.ref("payment.payment_method_card").active = True
    env.cr.commit()
    return ours, theirs


def make_transactions(env, provider, prefix, count):
    """As many transactions that wait to be paid, each of an invoice and a customer of its own."""
    partners = env["res.partner"].create([{"name": f"{prefix} {number}"} for number in range(count)])
    invoices = env["account.move"].create(
        [
            {
                "move_type": "out_invoice",
                "partner_id": partner.id,
                "invoice_date": "2026-01-15",
                "invoice_line_ids": [(0, 0, {"name": "Thing", "price_unit": PRICE, "tax_ids": False})],
            }
            for partner in partners
        ]
    )
    invoices.action_post()
    transactions = env["payment.transaction"].create(
        [
            {
                "provider_id": provider.id,
                "payment_method_id": env.ref("payment.payment_method_card").id,
                "reference": f"{prefix}-{invoice.id}",
                "provider_reference": f"pi_{prefix}{invoice.id}",
                "amount": PRICE,
                "currency_id": env.company.currency_id.id,
                "partner_id": invoice.partner_id.id,
                "operation": "online_direct",
                "invoice_ids": [(6, 0, invoice.ids)],
            }
            for invoice in invoices
        ]
    )
    env.cr.commit()
    return transactions


def news_of(transactions, kind="payment"):
    """What Quittance tells of transactions: that each is held, or was captured, or what its line in the journal is."""
    make = {"payment": _payment_news, "held": _held_news, "booking": _booking_news}[kind]
    return [make(tx) for tx in transactions]


def _payment_news(tx):
    minor, name, now = round(tx.amount * 100), f"01k{tx.id:023d}", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    database = tx.env["ir.config_parameter"].sudo().get_param("database.uuid")
    payment = {
        "id": f"pay_{name}",
        "version": 2,
        "reference": tx.reference,
        "provider_account": "acc_bench",
        "provider_reference": tx.provider_reference,
        "mode": "test",
        "state": "captured",
        "odoo_state": "done",
        "decline": None,
        "capture_method": "automatic",
        "currency": tx.currency_id.name,
        "amount_minor": minor,
        "authorized_minor": minor,
        "captured_minor": minor,
        "refunded_minor": 0,
        "disputed_minor": 0,
        "settles": [{"model": "account.move", "id": tx.invoice_ids.id, "amount_minor": minor}],
        "customer": {"id": f"cus_{name}", "partner": f"{database}|{tx.partner_id.id}"},
        "payment_method": {
            "id": f"pmt_{name}",
            "kind": "card",
            "brand": "visa",
            "last4": "4242",
            "exp_month": 12,
            "exp_year": 2030,
            "state": "active",
        },
        "captures": [
            {
                "source": f"ch_{name}",
                "operation": None,
                "reference": None,
                "amount_minor": minor,
                "captured_on": now[:10],
            }
        ],
        "operations": [],
        "refunds": [],
        "captured_at": now,
        "updated_at": now,
    }
    return {"id": f"msg_p{name}", "type": "payment.updated", "sequence": 2, "payment": payment}


def _held_news(tx):
    news = _payment_news(tx)
    held = {"version": 1, "state": "authorized", "odoo_state": "authorized", "capture_method": "manual"}
    held |= {"captured_minor": 0, "captures": [], "captured_at": None}
    return {**news, "id": news["id"].replace("msg_p", "msg_h"), "payment": {**news["payment"], **held}}


def _booking_news(tx):
    minor, name, currency = round(tx.amount * 100), f"01k{tx.id:023d}", tx.currency_id.name
    fee = 207
    parts = [("provider_balance", minor - fee), ("fees", fee), ("receivable_clearing", -minor)]
    booking = {
        "source": f"txn_{name}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "label": f"charge ch_{name}",
        "provider_account": "acc_bench",
        "currency": currency,
        "meets": f"ch_{name}",
        "parts": [
            {"account": account, "currency": currency, "amount_minor": amount, "value_minor": amount}
            for account, amount in parts
        ],
    }
    return {"id": f"msg_b{name}", "type": "ledger.booked", "sequence": 0, "booking": booking}


def stripe_event(tx):
    """The event by which Stripe tells Odoo's own module that a transaction was paid."""
    intent = {
        "id": tx.provider_reference,
        "object": "payment_intent",
        "description": tx.reference,
        "status": "succeeded",
        "amount": round(tx.amount * 100),
        "currency": tx.currency_id.name.lower(),
        "charges": {"data": [{"amount": round(tx.amount * 100)}]},
        "payment_method": {"id": "pm_1", "type": "card", "card": {"brand": "visa", "last4": "4242"}},
    }
    return json.dumps({"id": f"evt_{tx.id}", "type": "payment_intent.succeeded", "data": {"object": intent}})


# === What `news.py` asks of a shell === #


def prepare(env, count):
    """A shop with what is to be told, as requests: one to Stripe's module for each, and ours to be put in batches."""
    ours, theirs = open_shop(env)
    events = [stripe_event(tx) for tx in make_transactions(env, theirs, "theirs", count)]
    transactions = make_transactions(env, ours, "ours", count)
    held = make_transactions(env, ours, "held", count)
    return {
        "secret": SECRET,
        "database": env["ir.config_parameter"].sudo().get_param("database.uuid"),
        "company": str(ours.company_id.id),
        "events": events,
        "held": news_of(held, "held"),
        "payments": news_of(transactions),
        "bookings": news_of(transactions, "booking"),
    }


def post_process(env):
    """Do for what Stripe's module took in what Odoo's job does later, each in a transaction of its own; the seconds."""
    waiting = env["payment.transaction"].search([("provider_code", "=", "stripe"), ("is_post_processed", "=", False)])
    started, used = time.monotonic(), time.process_time()
    for tx in waiting:
        tx._post_process()
        env.cr.commit()
    return {"seconds": time.monotonic() - started, "cpu": time.process_time() - used, "count": len(waiting)}


def measure_floor(env, count, batch):
    """The processor time of Odoo's own accounting alone, as many payments at once as a batch has.

    Payments are made, posted and reconciled with their invoices by the ORM's own methods, and nothing else: no
    transaction's state, no note, no request.
    """
    ours = env["payment.provider"].search([("code", "=", "quittance"), ("company_id", "=", env.company.id)])
    journal = ours.journal_id
    line = journal._quittance_method_line("inbound", ours)
    # The first two batches read what is read once, and are not counted.
    transactions = make_transactions(env, ours, "floor", count + 2 * batch)
    used = 0.0
    for start in range(0, len(transactions), batch):
        env.invalidate_all()
        part = transactions[start : start + batch].with_context(tracking_disable=True)
        started = time.process_time()
        _account_alone(part, journal, line)
        env.cr.commit()
        used += time.process_time() - started if start >= 2 * batch else 0.0
    return {"odoo_ms": 1000 * used / count}


def _account_alone(transactions, journal, line):
    owed = transactions.invoice_ids.line_ids.filtered(lambda item: item.display_type == "payment_term")
    payments = transactions.env["account.payment"].create(
        [
            {
                "amount": tx.amount,
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": tx.partner_id.id,
                "currency_id": tx.currency_id.id,
                "journal_id": journal.id,
                "payment_method_line_id": line.id,
                "destination_account_id": owed[0].account_id.id,
                "invoice_ids": [(6, 0, tx.invoice_ids.ids)],
                "memo": tx.reference,
            }
            for tx in transactions
        ]
    )
    payments.action_post()
    plan = []
    for tx, payment in zip(transactions, payments, strict=True):
        items = payment.move_id.line_ids + tx.invoice_ids.line_ids
        plan.append(
            items.filtered(
                lambda item, at=payment.destination_account_id: item.account_id == at and not item.reconciled
            )
        )
    transactions.env["account.move.line"]._reconcile_plan(plan)


def look(env):
    """How many of each side's are done, booked and paid, to see that what was measured was done."""
    found = {}
    for code in ("stripe", "quittance"):
        transactions = env["payment.transaction"].search([("provider_code", "=", code)])
        paid = transactions.filtered(lambda tx: tx.state == "done" and tx.payment_id and tx.is_post_processed)
        found[code] = len(paid.filtered(lambda tx: tx.invoice_ids.payment_state in ("paid", "in_payment")))
    # What is held waits for no accounting.
    found["held"] = env["payment.transaction"].search_count(
        [("provider_code", "=", "quittance"), ("state", "=", "authorized"), ("is_post_processed", "=", True)]
    )
    lines = env["account.bank.statement.line"].search([("quittance_source", "like", "txn_%")])
    found["lines"] = len(lines.filtered("is_reconciled"))
    return found
