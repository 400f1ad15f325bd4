"""What Odoo calls one thing and Stripe another."""

# How long a request may take. The service answers before: with a 202 where it does not know yet.
TIMEOUT_S = 10

# How far the clocks of Odoo and of the service may be apart; signatures of news allow five times as much.
CLOCK_SKEW_S = 60

# How long the signing secret before the present one is still accepted.
PREVIOUS_SECRET_H = 24

# The script that draws Stripe's Payment Element, of the release that the service speaks.
STRIPE_JS_URL = "https://js.stripe.com/endive/stripe.js"

# Methods that are activated with the provider. Brands are methods of their own in Odoo.
DEFAULT_METHODS = {
    "card",
    "bancontact",
    "eps",
    "ideal",
    "p24",
    "visa",
    "mastercard",
    "amex",
    "discover",
}

# Odoo's code of a method, where Stripe's word for it is another.
STRIPE_TYPES = {
    "ach_direct_debit": "us_bank_account",
    "afterpay": "afterpay_clearpay",
    "bacs_direct_debit": "bacs_debit",
    "becs_direct_debit": "au_becs_debit",
    "cash_app_pay": "cashapp",
    "clearpay": "afterpay_clearpay",
    "mobile_pay": "mobilepay",
    "sepa_direct_debit": "sepa_debit",
}

# Decimals with which Stripe's script counts, where ISO 4217 gives the currency others.
STRIPE_DECIMALS = {"ISK": 2, "MGA": 0, "UGX": 2}

# What Stripe takes payments in (https://docs.stripe.com/currencies).
CURRENCIES = set(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY"
    " COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK"
    " JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR"
    " MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS"
    " SRD STN SZL THB TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XOF XPF YER ZAR ZMW".split()
)

# What an operation of the service came to, as the state of the child transaction that asked for it. A refund that the
# provider took on may still come back: its own state decides.
CHILD_STATES = {
    "pending": "pending",
    "retryable": "pending",
    "unknown": "pending",
    "declined": "error",
    "refused": "error",
}
DONE_STATES = {"capture": "done", "cancel": "cancel", "refund": "done"}
REFUND_STATES = {"pending": "pending", "succeeded": "done", "failed": "error", "canceled": "cancel"}
