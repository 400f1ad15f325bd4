//! Test cards, and a bank account or two: names that stand for a way in which a payment goes (<https://docs.stripe.com/testing>).

/// Why a bank says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) code: &'static str,
    /// The bank's own reason, where it gives one.
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: &'static str,
}

/// How a refund to a card ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefundCourse {
    /// It is there at once.
    Succeeds,
    /// It is pending, then there.
    PendsThenSucceeds,
    /// It seems to be there, then the bank sends it back.
    Fails,
}

/// What money moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rail {
    /// The bank answers at once.
    Card,
    /// The bank answers days later.
    UsBankAccount,
}

impl Rail {
    /// The payment method's type.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::UsBankAccount => "us_bank_account",
        }
    }
}

/// A card or an account, and what happens when it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Card {
    pub(crate) rail: Rail,
    pub(crate) brand: &'static str,
    pub(crate) last4: &'static str,
    /// Whether the bank wants to see its customer first.
    pub(crate) challenge: bool,
    pub(crate) decline: Option<Decline>,
    pub(crate) refund: RefundCourse,
    /// Whether its network takes several captures of one authorization.
    pub(crate) multicapture: bool,
    /// What its holder will complain of.
    pub(crate) grievance: Option<Grievance>,
}

/// A complaint to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grievance {
    pub(crate) reason: &'static str,
    /// Whether the bank only asks.
    pub(crate) inquiry: bool,
}

/// A decline of an off-session payment that the bank wants its customer to confirm.
pub(crate) const AUTHENTICATION_REQUIRED: Decline = Decline {
    code: "authentication_required",
    reason: Some("authentication_required"),
    message: "Your card was declined. This transaction requires authentication.",
};

const INSUFFICIENT_FUNDS: Decline = declined("insufficient_funds", "Your card has insufficient funds.");

const VISA: Card = Card {
    rail: Rail::Card,
    brand: "visa",
    last4: "4242",
    challenge: false,
    decline: None,
    refund: RefundCourse::Succeeds,
    multicapture: true,
    grievance: None,
};

/// Every test card, by its name after `pm_card_` or `tok_`.
const CARDS: [(&str, Card); 25] = [
    ("visa", VISA),
    (
        "mastercard",
        Card {
            brand: "mastercard",
            last4: "4444",
            ..VISA
        },
    ),
    (
        "amex",
        Card {
            brand: "amex",
            last4: "8431",
            ..VISA
        },
    ),
    ("authenticationRequired", challenging("3184")),
    ("threeDSecureRequired", challenging("3220")),
    ("threeDSecure2Required", challenging("3220")),
    (
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        Card {
            decline: Some(INSUFFICIENT_FUNDS),
            ..challenging("0341")
        },
    ),
    (
        "chargeDeclined",
        declining("0002", declined("generic_decline", DECLINED)),
    ),
    (
        "visa_chargeDeclined",
        declining("0002", declined("generic_decline", DECLINED)),
    ),
    (
        "chargeDeclinedInsufficientFunds",
        declining("9995", INSUFFICIENT_FUNDS),
    ),
    (
        "visa_chargeDeclinedInsufficientFunds",
        declining("9995", INSUFFICIENT_FUNDS),
    ),
    (
        "visa_chargeDeclinedLostCard",
        declining("9987", declined("lost_card", DECLINED)),
    ),
    (
        "visa_chargeDeclinedStolenCard",
        declining("9979", declined("stolen_card", DECLINED)),
    ),
    (
        "chargeDeclinedFraudulent",
        declining("0019", declined("fraudulent", DECLINED)),
    ),
    (
        "chargeDeclinedExpiredCard",
        declining("0069", wrong("expired_card", "Your card has expired.")),
    ),
    (
        "chargeDeclinedIncorrectCvc",
        declining(
            "0127",
            wrong("incorrect_cvc", "Your card's security code is incorrect."),
        ),
    ),
    (
        "chargeDeclinedProcessingError",
        declining(
            "0119",
            wrong(
                "processing_error",
                "An error occurred while processing your card. Try again in a little bit.",
            ),
        ),
    ),
    (
        "pendingRefund",
        Card {
            last4: "7726",
            refund: RefundCourse::PendsThenSucceeds,
            ..VISA
        },
    ),
    (
        "refundFail",
        Card {
            last4: "5126",
            refund: RefundCourse::Fails,
            ..VISA
        },
    ),
    (
        "credit_disableEnterpriseCardFeatures",
        Card {
            last4: "0076",
            multicapture: false,
            ..VISA
        },
    ),
    ("createDispute", complaining("0259", "fraudulent", false)),
    (
        "createDisputeProductNotReceived",
        complaining("2685", "product_not_received", false),
    ),
    ("createDisputeInquiry", complaining("1976", "fraudulent", true)),
    ("us", VISA),
    (
        "de",
        Card {
            last4: "0016",
            ..VISA
        },
    ),
];

const ACCOUNT: Card = Card {
    rail: Rail::UsBankAccount,
    brand: "STRIPE TEST BANK",
    last4: "6789",
    ..VISA
};

/// Every test account, by its name after `pm_usBankAccount_`.
const ACCOUNTS: [(&str, Card); 2] = [
    ("success", ACCOUNT),
    (
        "insufficientFunds",
        Card {
            last4: "2222",
            decline: Some(wrong(
                "payment_intent_payment_attempt_failed",
                "The customer's account has insufficient funds to cover this payment.",
            )),
            ..ACCOUNT
        },
    ),
];

const DECLINED: &str = "Your card was declined.";

/// What stands behind a static payment method (`pm_card_visa`) or a token (`tok_visa`).
pub(crate) fn find(id: &str) -> Option<Card> {
    let (names, name) = match id.strip_prefix("pm_usBankAccount_") {
        Some(name) => (ACCOUNTS.as_slice(), name),
        None => (
            CARDS.as_slice(),
            id.strip_prefix("pm_card_").or_else(|| id.strip_prefix("tok_"))?,
        ),
    };
    names
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, card)| *card)
}

const fn challenging(last4: &'static str) -> Card {
    Card {
        last4,
        challenge: true,
        ..VISA
    }
}

const fn complaining(last4: &'static str, reason: &'static str, inquiry: bool) -> Card {
    Card {
        last4,
        grievance: Some(Grievance { reason, inquiry }),
        ..VISA
    }
}

const fn declining(last4: &'static str, decline: Decline) -> Card {
    Card {
        last4,
        decline: Some(decline),
        ..VISA
    }
}

const fn declined(reason: &'static str, message: &'static str) -> Decline {
    Decline {
        code: "card_declined",
        reason: Some(reason),
        message,
    }
}

const fn wrong(code: &'static str, message: &'static str) -> Decline {
    Decline {
        code,
        reason: None,
        message,
    }
}
