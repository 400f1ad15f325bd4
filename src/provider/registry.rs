//! The providers we know, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Provider;

/// Providers by the name that accounts carry. Filled once, at start-up.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<&'static str, Arc<dyn Provider>>,
}

impl Registry {
    /// Adds a provider under its name.
    #[must_use]
    pub fn with(mut self, name: &'static str, provider: Arc<dyn Provider>) -> Self {
        self.providers.insert(name, provider);
        self
    }

    /// Adds all of another registry.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.providers.extend(other.providers);
        self
    }

    /// The provider of that name, where we have it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.providers.get(name)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
    }
}
