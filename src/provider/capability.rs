//! What not every payment company can do.

use std::fmt::{self, Display, Formatter};

/// Something that not every payment company can do. Shown as what one without it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Holding money now and taking it later.
    ManualCapture,
    /// Taking less than is held.
    PartialCapture,
    /// Taking what is held in several parts.
    SeveralCaptures,
    /// Giving back less than was taken.
    PartialRefund,
    /// Trying a payment method from our side, with or without the customer.
    Confirm,
    /// A page of its own on which customers pay.
    HostedPage,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ManualCapture,
        Self::PartialCapture,
        Self::SeveralCaptures,
        Self::PartialRefund,
        Self::Confirm,
        Self::HostedPage,
    ];
}

impl Display for Capability {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ManualCapture => "manual capture",
            Self::PartialCapture => "partial captures",
            Self::SeveralCaptures => "several captures of one payment",
            Self::PartialRefund => "partial refunds",
            Self::Confirm => "confirmation from our side",
            Self::HostedPage => "page of its own",
        })
    }
}
