-- The trace in which something was asked for, as W3C's traceparent writes it: whoever goes on with it later does so in that trace.
-- No event has one: a provider's delivery begins no trace of ours, and what it brings belongs to that of the payment's operation.

alter table operation add column trace_context text;
alter table outbox_message add column trace_context text;
