//! Events that are kept.

/// Where an event stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum EventState {
    /// To be applied, now or later.
    Received,
    /// A worker has it.
    Leased,
    /// What it told is taken in.
    Applied,
    /// Nothing that we follow, or of nothing that started here.
    Ignored,
    /// Out of attempts; a person must replay it.
    Dead,
}
