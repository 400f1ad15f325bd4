//! Test cards, and a few bank accounts: names that stand for a way in which a payment goes (<https://docs.stripe.com/testing>).

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
    /// The bank answers days later, and wants a mandate before.
    SepaDebit,
}

impl Rail {
    pub(crate) const WORDS: [&'static str; 3] = [
        Self::Card.word(),
        Self::UsBankAccount.word(),
        Self::SepaDebit.word(),
    ];

    /// The payment method's type.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::UsBankAccount => "us_bank_account",
            Self::SepaDebit => "sepa_debit",
        }
    }
}

/// A card or an account, and what happens when it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Card {
    pub(crate) rail: Rail,
    pub(crate) brand: &'static str,
    pub(crate) last4: &'static str,
    /// When the bank wants to see its customer first.
    pub(crate) challenge: Challenge,
    /// Whether it can be saved although it declines charges.
    pub(crate) saved_anyway: bool,
    pub(crate) decline: Option<Decline>,
    pub(crate) refund: RefundCourse,
    /// Whether its network takes several captures of one authorization.
    pub(crate) multicapture: bool,
    /// What its holder will complain of.
    pub(crate) grievance: Option<Grievance>,
}

/// When a bank wants to see its customer before it says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Never,
    Always,
    /// Having been set up once spares the customer the bank's page when they are not there.
    UntilSetUp,
}

/// A complaint to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grievance {
    pub(crate) reason: &'static str,
    /// Whether the bank only asks.
    pub(crate) inquiry: bool,
}

impl Card {
    /// Why it cannot be saved, where it cannot.
    pub(crate) fn refuses_setup(&self) -> Option<Decline> {
        self.decline.filter(|_| !self.saved_anyway)
    }
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
    challenge: Challenge::Never,
    saved_anyway: false,
    decline: None,
    refund: RefundCourse::Succeeds,
    multicapture: true,
    grievance: None,
};

/// Every test card, by its name after `pm_card_` or `tok_`.
const CARDS: [(&str, Card); 28] = [
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
    (
        "authenticationRequiredOnSetup",
        Card {
            challenge: Challenge::UntilSetUp,
            ..challenging("3155")
        },
    ),
    ("threeDSecureRequired", challenging("3220")),
    ("threeDSecure2Required", challenging("3220")),
    (
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        Card {
            decline: Some(INSUFFICIENT_FUNDS),
            saved_anyway: true,
            ..challenging("1629")
        },
    ),
    (
        "chargeCustomerFail",
        Card {
            saved_anyway: true,
            ..declining("0341", declined("generic_decline", DECLINED))
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
    // Not one of Stripe's: a message with the one character that Postgres keeps in no text.
    (
        "chargeDeclinedWithNul",
        declining("0002", declined("generic_decline", "Declined\0.")),
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
    saved_anyway: true,
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

const IBAN: Card = Card {
    rail: Rail::SepaDebit,
    brand: "sepa_debit",
    last4: "3201",
    ..ACCOUNT
};

/// Every test IBAN, by its name after `pm_sepaDebit_` and by its number.
const IBANS: [(&str, &str, Card); 2] = [
    ("success", "AT611904300234573201", IBAN),
    (
        "failure",
        "AT861904300235473202",
        Card {
            last4: "3202",
            decline: Some(wrong(
                "payment_intent_payment_attempt_failed",
                "The customer's bank refused the debit.",
            )),
            ..IBAN
        },
    ),
];

const DECLINED: &str = "Your card was declined.";

/// What stands behind a static payment method (`pm_card_visa`) or a token (`tok_visa`).
pub(crate) fn find(id: &str) -> Option<Card> {
    if let Some(wanted) = id.strip_prefix("pm_sepaDebit_") {
        return IBANS
            .iter()
            .find(|(name, ..)| *name == wanted)
            .map(|(.., card)| *card);
    }
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

/// What stands behind a test IBAN, written with or without spaces.
pub(crate) fn find_iban(iban: &str) -> Option<Card> {
    let plain: String = iban.split_whitespace().collect();
    IBANS
        .iter()
        .find(|(_, number, _)| *number == plain)
        .map(|(.., card)| *card)
}

const fn challenging(last4: &'static str) -> Card {
    Card {
        last4,
        challenge: Challenge::Always,
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
