// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes on in the background, counted so that its end can be waited for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug, Clone)]
pub(crate) struct UnderWay {
    places: Arc<Semaphore>,
    most: u32,
}

/// Something that goes on until this is dropped.
#[derive(Debug)]
pub(crate) struct Going {
    _place: OwnedSemaphorePermit,
}

impl UnderWay {
    /// At most so many at a time.
    pub(crate) fn most(most: u32) -> Self {
        UnderWay { places: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// `None` if there are too many, or all are being waited for.
    pub(crate) fn begin(&self) -> Option<Going> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Going { _place: place })
    }

    /// Ready when all have ended.
    pub(crate) async fn over(&self) {
        // It is never closed.
        let _ = self.places.acquire_many(self.most).await;
    }
}
