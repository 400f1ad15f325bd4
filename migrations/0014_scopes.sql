-- What a key may do, and what an operator does about what is dead: replay, skip, close.

-- Keys that exist keep what they could do and may look at the lists; payloads, replays and skips are given on purpose.
alter table api_key
    add column scopes text[] not null default '{events:read,outbox:read}';
comment on column api_key.scopes is 'what it may do beside what every key may; words that a version does not know give nothing';

alter table exception
    add column closed_at     timestamptz,
    add column closed_reason text,
    add column closed_by     text,
    add constraint exception_closed_check
        check ((closed_at is null) = (closed_reason is null) and (closed_at is null) = (closed_by is null)),
    drop constraint exception_merchant_id_kind_subject_key;
comment on column exception.subject is 'what it is about; the same difference is open once, and may open again once it was closed';
comment on column exception.closed_by is 'an API key (key_…), or cli';
create unique index exception_open on exception (merchant_id, kind, subject) where closed_at is null;
create index exception_open_by_payment on exception (merchant_id, payment_id) where closed_at is null;

alter table outbox_message
    add column skip_reason text check (length(skip_reason) between 1 and 500),
    add column skipped_by  text,
    add column skipped_at  timestamptz,
    drop constraint outbox_message_state_check,
    add constraint outbox_message_state_check check (state in ('pending', 'sent', 'dead', 'skipped')),
    add constraint outbox_message_skipped_check
        check ((state = 'skipped') = (skipped_at is not null) and (state = 'skipped') = (skip_reason is not null)
            and (state = 'skipped') = (skipped_by is not null));
comment on column outbox_message.skipped_by is 'an API key (key_…), or cli';
create index outbox_message_dead on outbox_message (merchant_id, id) where state = 'dead';

alter table webhook_event
    add column replayed_at timestamptz,
    add column replayed_by text;
comment on column webhook_event.replayed_by is 'who asked for the last replay: an API key (key_…), or cli';
