//! Thin events: which object changed, and not how it looks.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::events::Event;

impl Event {
    /// The body for a destination that wants thin events. It is an event of its own, with an id of its own.
    pub(crate) fn thin_body(&self) -> Vec<u8> {
        let data: Value = serde_json::from_str(self.data.get()).unwrap_or_default();
        let object = &data["object"];
        let (id, kind) = (&object["id"], &object["object"]);
        let created = OffsetDateTime::from_unix_timestamp(self.created)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok());
        let path = kind.as_str().unwrap_or_default().replace('.', "/");
        json!({
            "id": format!("evt_test_{}", self.id.trim_start_matches("evt_")),
            "object": "v2.core.event",
            "type": format!("v1.{}", self.kind),
            "created": created,
            "livemode": false,
            "context": self.account,
            "related_object": {
                "id": id,
                "type": kind,
                "url": format!("/v1/{path}s/{}", id.as_str().unwrap_or_default()),
            },
        })
        .to_string()
        .into_bytes()
    }
}
