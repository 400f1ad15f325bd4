//! The references that Odoo's own payment module writes on a provider's payments.

/// The reference in the description of a payment or of its refund, where it looks like one that Odoo made: the module `payment_stripe`
/// writes its transaction's reference there, and nothing else of its own.
///
/// Such a reference is made of document numbers (`S00042`, `INV/2026/00007-1`, several with commas between) or of a time
/// (`tx-20261124101530`): letters first, digits in it, and nothing but letters, digits and `/ - , .`. It is a likeness and no proof.
#[must_use]
pub fn odoo_reference(description: &str) -> Option<&str> {
    let inner = description
        .split_once('(')
        .and_then(|(before, rest)| before.starts_with("REFUND FOR ").then_some(rest))
        .and_then(|rest| rest.strip_suffix(')'));
    let text = inner.unwrap_or(description);
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "/-,.".contains(letter);
    let is_one = text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.contains(|letter: char| letter.is_ascii_digit())
        && text.chars().all(fits);
    is_one.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::odoo_reference;

    #[test]
    fn references_of_odoo_are_told_from_what_people_write() {
        for reference in [
            "S00042",
            "S00042-1",
            "INV/2026/00007",
            "INV/2026/00007-2",
            "S00042,S00043-1",
            "tx-20261124101530",
            "R-S00042-1",
        ] {
            assert_eq!(odoo_reference(reference), Some(reference));
        }
        assert_eq!(odoo_reference("REFUND FOR CHARGE (S00042)"), Some("S00042"));
        for other in [
            "",
            "Taken in the dashboard",
            "Subscription update",
            "REFUND FOR CHARGE",
            "REFUND FOR CHARGE (Order of Ada)",
            "pi_3V0000000001",
            "12345",
            "Order",
            "S00042; drop",
        ] {
            assert_eq!(odoo_reference(other), None, "{other}");
        }
    }
}
