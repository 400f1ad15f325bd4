//! What a merchant says against a dispute.

use std::fmt::{self, Debug, Formatter};

use serde::Deserialize;

/// What a field of evidence holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// A text of up to 20,000 characters.
    Text,
    /// A short text: up to 5,000 characters.
    Line,
    /// The provider's id of a file that was uploaded there (`file_…`).
    File,
}

impl EvidenceKind {
    /// How many characters it may have.
    #[must_use]
    pub const fn limit(self) -> usize {
        match self {
            Self::Text => 20_000,
            Self::Line => 5_000,
            Self::File => 255,
        }
    }
}

macro_rules! evidence {
    ($($(#[$doc:meta])* $name:ident: $kind:ident,)+) => {
        /// What a merchant says against a dispute: texts, and ids of files that were uploaded to the provider. A field that is
        /// left out stays as the provider has it; an empty one is taken back.
        ///
        /// The provider keeps it. Nothing here stores or prints what it says. Source of the fields and their limits:
        /// docs.stripe.com/api/disputes/update.
        #[derive(Clone, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Evidence {
            $($(#[$doc])* pub $name: Option<String>,)+
        }

        impl Evidence {
            /// The names of all fields.
            pub const NAMES: &[&str] = &[$(stringify!($name)),+];

            /// The fields that are given: name, kind, and what each says.
            pub fn given(&self) -> impl Iterator<Item = (&'static str, EvidenceKind, &str)> {
                [$((stringify!($name), EvidenceKind::$kind, self.$name.as_deref())),+]
                    .into_iter()
                    .filter_map(|(name, kind, text)| Some((name, kind, text?)))
            }
        }
    };
}

evidence! {
    /// Logs that show that the customer used or downloaded the product.
    access_activity_log: Text,
    /// The billing address that the customer gave.
    billing_address: Line,
    /// A file: the cancellation policy, as it was shown.
    cancellation_policy: File,
    /// How and when the cancellation policy was shown.
    cancellation_policy_disclosure: Text,
    /// Why the subscription was not canceled.
    cancellation_rebuttal: Text,
    /// A file: what was written with the customer.
    customer_communication: File,
    /// The customer's e-mail address.
    customer_email_address: Line,
    /// The customer's name.
    customer_name: Line,
    /// The IP address that the customer bought from.
    customer_purchase_ip: Line,
    /// A file with the customer's signature.
    customer_signature: File,
    /// A file that tells the earlier charge from this one.
    duplicate_charge_documentation: File,
    /// How the earlier charge differs from this one.
    duplicate_charge_explanation: Text,
    /// The provider's id of the earlier charge.
    duplicate_charge_id: Line,
    /// What was sold.
    product_description: Text,
    /// A file: the receipt that the customer got.
    receipt: File,
    /// A file: the refund policy, as it was shown.
    refund_policy: File,
    /// How and when the refund policy was shown.
    refund_policy_disclosure: Text,
    /// Why the customer gets no refund.
    refund_refusal_explanation: Text,
    /// When the service was given.
    service_date: Line,
    /// A file that shows that the service was given.
    service_documentation: File,
    /// Where the product was sent.
    shipping_address: Line,
    /// Who shipped it.
    shipping_carrier: Line,
    /// When it was shipped.
    shipping_date: Line,
    /// A file that shows that it was shipped.
    shipping_documentation: File,
    /// The carrier's number of the parcel.
    shipping_tracking_number: Line,
    /// Any other file.
    uncategorized_file: File,
    /// Anything else.
    uncategorized_text: Text,
}

impl Evidence {
    /// How many characters all of it may have together.
    pub const LIMIT: usize = 150_000;

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given().next().is_none()
    }
}

impl Debug for Evidence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.given().map(|(name, _, _)| name))
            .finish()
    }
}
