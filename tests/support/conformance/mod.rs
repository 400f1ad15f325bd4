//! What any provider must keep, written once. Each sentence is a function over a [`Subject`]; [`conformance!`] makes one
//! test of each, so that a failure names both.

pub(crate) mod abilities;
pub(crate) mod calls;
pub(crate) mod endpoints;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod losses;
mod operations;
pub(crate) mod service;
mod subject;

pub(crate) use operations::*;
pub(crate) use subject::{Bank, Calls, Effects, Subject, Trouble};

/// Makes a test of each sentence for one [`Subject`].
macro_rules! conformance {
    ($subject:ty) => {
        $crate::support::conformance::conformance!($subject,
            calls: [
                the_same_operation_at_the_same_time_or_later_has_one_effect,
                money_that_is_held_is_captured_whole_and_once,
                money_that_is_held_is_let_go,
                money_is_given_back_once_and_knows_its_operation,
                a_decline_is_an_outcome_and_moves_nothing,
                a_customer_whose_bank_says_no_is_told_why_and_pays_nothing,
                a_read_agrees_with_the_outcome,
                amounts_are_exact_whatever_decimals_the_currency_has,
                what_the_company_cannot_do_as_things_stand_is_invalid,
                what_the_company_does_not_have_is_invalid,
            ],
            losses: [
                a_lost_answer_is_ambiguous_and_is_found,
                what_was_lost_on_its_way_is_done_once_when_repeated,
                what_never_left_is_unavailable,
                a_busy_company_does_nothing,
                a_rate_limit_says_when_to_come_back,
                a_wrong_key_is_told_and_not_shown,
                nothing_is_found_of_what_was_never_done,
                a_read_that_fails_is_never_ambiguous,
                keys_are_trusted_for_less_time_than_they_are_kept,
            ],
            abilities: [
                what_it_says_it_can_it_does,
                what_it_says_it_cannot_it_refuses,
                keys_of_the_other_mode_are_refused_and_not_shown,
            ],
            events: [
                an_event_that_was_just_signed_says_what_it_is,
                any_of_several_secrets_proves_an_event,
                a_signature_is_good_for_five_minutes_either_way,
                a_changed_event_is_refused_whichever_byte_was_changed,
                without_a_signature_or_a_secret_nothing_is_taken,
                a_blank_secret_is_none,
                nothing_is_read_before_its_signature_holds,
                no_header_is_too_odd_to_be_refused,
                events_lead_to_their_payment,
                an_event_tells_what_a_read_tells,
                a_word_of_tomorrow_is_kept,
                no_body_is_too_odd_to_be_read,
            ],
            history: [
                what_happened_is_listed_once_as_it_was_delivered_while_more_happens,
                a_place_in_the_list_that_is_gone_is_invalid_and_a_list_that_fails_unavailable,
            ],
            endpoints: [
                an_endpoint_is_made_once_for_its_id_and_sends_all_that_is_followed,
                a_secret_is_rolled_by_a_second_endpoint_and_the_first_one_goes,
                what_an_endpoint_lacks_is_shown_and_made_up_for,
            ],
            service: [
                a_payment_is_paid_captured_and_given_back,
                held_money_is_captured_or_let_go,
                a_payment_that_the_bank_declines_ends_without_money,
                a_lost_answer_is_accepted_and_then_known,
                a_key_that_may_be_forgotten_is_looked_up_and_not_repeated,
                events_twice_and_backwards_end_in_the_same_state,
                an_unsigned_event_is_refused_and_not_kept,
                what_the_provider_cannot_do_is_not_supported,
                a_list_or_endpoints_that_the_provider_does_not_have_are_not_asked_for,
            ]);
    };
    ($subject:ty, $($part:ident: [$($sentence:ident,)+]),+) => {$($(
        #[tokio::test]
        async fn $sentence() {
            $crate::support::conformance::$part::$sentence::<$subject>().await;
        }
    )+)+};
}

pub(crate) use conformance;
