"""Drives the pretend Stripe with Stripe's own package, and checks its signatures with Stripe's own verifier.

    official.py walk      expects STRIPE_URL, STRIPE_KEY; the caller armed the faults named below
    official.py verify    reads {"secrets", "header", "payload"} as JSON lines; prints one event type for each
"""

import json
import os
import sys
import time

import requests
import stripe

METHOD = {"payment_method_types": ["card"]}


def raises(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error as caught:
        assert type(caught) is error, repr(caught)
        return caught
    raise AssertionError(f"{error.__name__} was expected")


def pay(amount=12100, card="pm_card_visa", **kwargs):
    return stripe.PaymentIntent.create(
        amount=amount, currency="eur", payment_method=card, confirm=True, **METHOD, **kwargs
    )


def walk_a_payment():
    intent = stripe.PaymentIntent.create(amount=12100, currency="eur", metadata={"order": "S1"}, **METHOD)
    assert intent.status == "requires_payment_method"
    intent = stripe.PaymentIntent.confirm(intent.id, payment_method="pm_card_visa")
    assert (intent.status, intent.amount_received) == ("succeeded", 12100)
    charge = stripe.Charge.retrieve(intent.latest_charge)
    assert charge.metadata["order"] == "S1" and charge.captured and charge.paid
    changed = stripe.PaymentIntent.modify(intent.id, metadata={"order": "", "invoice": "INV/1"})
    assert changed.metadata.to_dict() == {"invoice": "INV/1"}
    found = stripe.PaymentIntent.search(query="metadata['invoice']:'INV/1'")
    assert [hit.id for hit in found.data] == [intent.id]


def walk_three_d_secure():
    intent = pay(card="pm_card_authenticationRequired", return_url="https://shop.example/back")
    assert intent.status == "requires_action"
    page = intent.next_action.redirect_to_url.url
    assert "Is it you?" in requests.get(page, timeout=5).text
    back = requests.post(page, data={"outcome": "succeed"}, allow_redirects=False, timeout=5)
    assert back.headers["location"].startswith("https://shop.example/back?payment_intent=" + intent.id)
    assert stripe.PaymentIntent.retrieve(intent.id).status == "succeeded"


def walk_capture_and_cancel():
    intent = pay(amount=5000, capture_method="manual")
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 5000)
    error = raises(
        stripe.InvalidRequestError, stripe.PaymentIntent.capture, intent.id, amount_to_capture=5001
    )
    assert error.param == "amount_to_capture"
    intent = stripe.PaymentIntent.capture(
        intent.id, amount_to_capture=3000, expand=["latest_charge.balance_transaction"]
    )
    line = intent.latest_charge.balance_transaction
    assert (intent.amount_received, line.amount, line.fee, line.net) == (3000, 3000, 70, 2930)
    error = raises(stripe.InvalidRequestError, stripe.PaymentIntent.cancel, intent.id)
    assert error.code == "payment_intent_unexpected_state"
    assert error.error.payment_intent.status == "succeeded"
    held = pay(capture_method="manual")
    assert stripe.PaymentIntent.cancel(held.id, cancellation_reason="abandoned").status == "canceled"


def walk_several_captures():
    several = {"card": {"request_multicapture": "if_available"}}
    intent = pay(amount=5000, capture_method="manual", payment_method_options=several, expand=["latest_charge"])
    assert intent.latest_charge.payment_method_details.card.multicapture.status == "available"
    charge = intent.latest_charge.id
    intent = stripe.PaymentIntent.capture(intent.id, amount_to_capture=2000, final_capture=False)
    assert (intent.status, intent.amount_received, intent.amount_capturable) == ("requires_capture", 2000, 3000)
    intent = stripe.PaymentIntent.capture(intent.id, amount_to_capture=1000)
    assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 3000, 0)
    lines = stripe.BalanceTransaction.list(source=charge)
    assert [(line.type, line.amount) for line in lines.data] == [("charge", 1000), ("charge", 2000)]
    held = pay(amount=5000, capture_method="manual")
    error = raises(
        stripe.InvalidRequestError,
        stripe.PaymentIntent.capture,
        held.id,
        amount_to_capture=2000,
        final_capture=False,
    )
    assert error.param == "final_capture"


def walk_disputes():
    intent = pay(card="pm_card_createDispute")
    deadline = time.monotonic() + 10
    while not (disputes := stripe.Dispute.list(payment_intent=intent.id).data):
        assert time.monotonic() < deadline, "no dispute was opened"
        time.sleep(0.01)
    dispute = disputes[0]
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 12100)
    assert [(line.type, line.amount, line.fee) for line in dispute.balance_transactions] == [
        ("adjustment", -12100, 2000)
    ]
    assert stripe.Charge.retrieve(dispute.charge).disputed
    error = raises(stripe.InvalidRequestError, stripe.Refund.create, payment_intent=intent.id)
    assert error.code == "charge_disputed"
    evidence = {"customer_name": "Ada", "uncategorized_text": "x"}
    staged = stripe.Dispute.modify(dispute.id, evidence=evidence, submit=False, metadata={"case": "1"})
    assert staged.evidence_details.has_evidence and staged.status == "needs_response"
    closed = stripe.Dispute.close(dispute.id)
    assert (closed.status, closed.evidence.customer_name, closed.metadata["case"]) == ("lost", "Ada", "1")
    raises(stripe.InvalidRequestError, stripe.Dispute.modify, dispute.id, evidence=evidence)


def walk_declines():
    error = raises(stripe.CardError, pay, card="pm_card_visa_chargeDeclinedInsufficientFunds")
    assert (error.code, error.error.decline_code) == ("card_declined", "insufficient_funds")
    intent = error.error.payment_intent
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.charge == intent.latest_charge == error.error.charge
    again = stripe.PaymentIntent.confirm(intent.id, payment_method="pm_card_visa")
    assert again.status == "succeeded" and again.last_payment_error is None
    error = raises(stripe.CardError, pay, card="pm_card_authenticationRequired", off_session=True)
    assert error.code == "authentication_required"


def walk_refunds():
    intent = pay()
    partial = stripe.Refund.create(payment_intent=intent.id, amount=2100, reason="requested_by_customer")
    rest = stripe.Refund.create(charge=intent.latest_charge)
    assert (partial.status, rest.amount) == ("succeeded", 10000)
    line = stripe.BalanceTransaction.retrieve(rest.balance_transaction)
    assert (line.type, line.amount, line.fee, line.net, line.source) == ("refund", -10000, 0, -10000, rest.id)
    error = raises(stripe.InvalidRequestError, stripe.Refund.create, payment_intent=intent.id)
    assert error.code == "charge_already_refunded"
    listed = stripe.Refund.list(payment_intent=intent.id)
    assert [refund.id for refund in listed.data] == [rest.id, partial.id]
    charge = stripe.Charge.retrieve(intent.latest_charge, expand=["refunds", "balance_transaction"])
    assert charge.refunded and len(charge.refunds.data) == 2 and charge.balance_transaction.net == 11893


def walk_lists():
    customer = stripe.Customer.create(name="Ada", email="ada@shop.example")
    made = [pay(customer=customer.id).id for _ in range(7)]
    paged = stripe.PaymentIntent.list(customer=customer.id, limit=3)
    assert paged.has_more and [intent.id for intent in paged.auto_paging_iter()] == made[::-1]
    since = stripe.PaymentIntent.retrieve(made[0]).created
    page = stripe.PaymentIntent.list(customer=customer.id, created={"gte": since}, expand=["data.latest_charge"])
    assert page.data[0].latest_charge.object == "charge"
    kinds = {event.type for event in stripe.Event.list(limit=100).auto_paging_iter()}
    assert {"payment_intent.created", "payment_intent.succeeded", "charge.succeeded"} <= kinds, kinds
    balance = stripe.Balance.retrieve()
    lines = stripe.BalanceTransaction.list(limit=100).auto_paging_iter()
    held = balance.available[0].amount + balance.pending[0].amount
    assert held == sum(line.net for line in lines)


def walk_checkout():
    session = stripe.checkout.Session.create(
        mode="payment",
        line_items=[
            {
                "quantity": 1,
                "price_data": {"currency": "eur", "unit_amount": 12100, "product_data": {"name": "S1"}},
            }
        ],
        payment_intent_data={"metadata": {"order": "S1"}},
        metadata={"order": "S1"},
        success_url="https://shop.example/done?session={CHECKOUT_SESSION_ID}",
        cancel_url="https://shop.example",
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert "Pay" in requests.get(session.url, timeout=5).text
    declined = requests.post(session.url, data={"payment_method": "pm_card_chargeDeclined"}, timeout=5)
    assert declined.status_code == 402 and "declined" in declined.text
    paid = requests.post(
        session.url, data={"payment_method": "pm_card_visa"}, allow_redirects=False, timeout=5
    )
    assert paid.headers["location"] == "https://shop.example/done?session=" + session.id
    session = stripe.checkout.Session.retrieve(session.id, expand=["payment_intent"])
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert session.payment_intent.metadata["order"] == "S1"
    listed = stripe.checkout.Session.list(payment_intent=session.payment_intent.id)
    assert [found.id for found in listed.data] == [session.id]
    other = stripe.checkout.Session.create(mode="setup", success_url="https://shop.example")
    assert stripe.checkout.Session.expire(other.id).status == "expired"
    raises(stripe.InvalidRequestError, stripe.checkout.Session.expire, other.id)


def walk_saved_methods():
    customer = stripe.Customer.create(metadata={"partner": "7"})
    found = stripe.Customer.search(query="metadata['partner']:'7'")
    assert [hit.id for hit in found.data] == [customer.id]
    setup = stripe.SetupIntent.create(customer=customer.id, usage="off_session", **METHOD)
    error = raises(
        stripe.CardError, stripe.SetupIntent.confirm, setup.id, payment_method="pm_card_chargeDeclined"
    )
    assert error.error.setup_intent.last_setup_error.code == "card_declined"
    setup = stripe.SetupIntent.confirm(setup.id, payment_method="pm_card_visa", expand=["payment_method"])
    assert (setup.status, setup.payment_method.customer) == ("succeeded", customer.id)
    method = setup.payment_method.id
    assert pay(card=method, customer=customer.id, off_session=True).status == "succeeded"
    stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": method})
    listed = stripe.Customer.list_payment_methods(customer.id, type="card")
    assert [kept.id for kept in listed.data] == [method]
    assert stripe.PaymentMethod.detach(method).customer is None
    raises(stripe.InvalidRequestError, pay, card=method, customer=customer.id, off_session=True)
    assert stripe.Customer.delete(customer.id).deleted


def walk_sepa():
    method = stripe.PaymentMethod.create(
        type="sepa_debit",
        sepa_debit={"iban": "AT611904300234573201"},
        billing_details={"name": "Ada", "email": "ada@shop.example"},
    )
    debit = {
        "amount": 12100,
        "currency": "eur",
        "payment_method_types": ["sepa_debit"],
        "payment_method": method.id,
        "confirm": True,
    }
    error = raises(stripe.InvalidRequestError, stripe.PaymentIntent.create, **debit)
    assert error.param == "mandate_data"
    intent = stripe.PaymentIntent.create(
        **debit,
        mandate_data={
            "customer_acceptance": {
                "type": "online",
                "online": {"ip_address": "127.0.0.1", "user_agent": "test"},
            }
        },
        expand=["latest_charge.payment_method_details.sepa_debit.mandate"],
    )
    assert intent.status == "processing"
    mandate = intent.latest_charge.payment_method_details.sepa_debit.mandate
    assert (mandate.object, mandate.payment_method) == ("mandate", method.id)
    assert stripe.Mandate.retrieve(mandate.id).payment_method_details.type == "sepa_debit"


def walk_errors():
    error = raises(stripe.InvalidRequestError, stripe.PaymentIntent.create, currency="eur")
    assert (error.code, error.param) == ("parameter_missing", "amount")
    error = raises(stripe.InvalidRequestError, pay, colour="blue")
    assert (error.code, error.param) == ("parameter_unknown", "colour")
    error = raises(stripe.InvalidRequestError, stripe.PaymentIntent.retrieve, "pi_nothing")
    assert (error.code, error.http_status, error.param) == ("resource_missing", 404, "intent")
    error = raises(stripe.AuthenticationError, stripe.Balance.retrieve, api_key="sk_test_other")
    assert error.http_status == 401 and error.request_id.startswith("req_")
    raises(stripe.PermissionError, stripe.Balance.retrieve, stripe_account="acct_other")


def walk_idempotency():
    first = pay(idempotency_key="once")
    second = pay(idempotency_key="once")
    assert first.id == second.id
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.request_id
    raises(stripe.IdempotencyError, pay, amount=999, idempotency_key="once")
    error = raises(stripe.CardError, pay, card="pm_card_chargeDeclined", idempotency_key="declined")
    again = raises(stripe.CardError, pay, card="pm_card_chargeDeclined", idempotency_key="declined")
    assert error.error.charge == again.error.charge


def walk_faults():
    """Armed: 429 for the next refund, and 500 after the effect for the one after that."""
    intent = pay()
    raises(stripe.RateLimitError, stripe.Refund.create, payment_intent=intent.id)
    for replayed in (None, "true"):
        error = raises(stripe.APIError, stripe.Refund.create, payment_intent=intent.id, idempotency_key="lost")
        assert error.http_status == 500
        assert error.headers.get("idempotent-replayed") == replayed
        assert error.headers["stripe-should-retry"] == "false"
    assert len(stripe.Refund.list(payment_intent=intent.id).data) == 1


def walk():
    stripe.api_base = os.environ["STRIPE_URL"]
    stripe.api_key = os.environ["STRIPE_KEY"]
    stripe.api_version = "2026-09-30.endive"
    stripe.max_network_retries = 0
    walk_faults()
    walk_a_payment()
    walk_three_d_secure()
    walk_capture_and_cancel()
    walk_several_captures()
    walk_disputes()
    walk_declines()
    walk_refunds()
    walk_lists()
    walk_checkout()
    walk_saved_methods()
    walk_sepa()
    walk_errors()
    walk_idempotency()
    print("walked with stripe", stripe.VERSION)


def verify():
    for line in sys.stdin:
        delivery = json.loads(line)
        payload, header = delivery["payload"], delivery["header"]
        for secret in delivery["secrets"]:
            event = stripe.Webhook.construct_event(payload, header, secret)
        raises(stripe.SignatureVerificationError, stripe.Webhook.construct_event, payload, header, "whsec_other")
        raises(stripe.SignatureVerificationError, stripe.Webhook.construct_event, payload + " ", header, secret)
        print(event.type)


{"walk": walk, "verify": verify}[sys.argv[1]]()
