//! Whether the store can be believed.

use std::sync::OnceLock;

use super::store::{StoreError, Trouble};

/// Says so until something was written that may or may not be there, and never again: after a failed sync, what the
/// system says about the disk means nothing, and later syncs succeed without having written what the failed one was
/// for. A restart looks at the whole file.
#[derive(Debug, Default)]
pub(crate) struct Health(OnceLock<StoreError>);

impl Health {
    /// What went wrong, if it did.
    pub(crate) fn trouble(&self) -> Option<&StoreError> {
        self.0.get()
    }

    /// Takes note of an error; returns whether nothing may be written from now on.
    pub(super) fn note(&self, error: &StoreError) -> bool {
        if matches!(error.kind, Trouble::Io | Trouble::Corrupt) {
            let _ = self.0.set(error.clone());
        }
        self.0.get().is_some()
    }
}
