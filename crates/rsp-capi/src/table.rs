// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which descriptors are ours.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::descriptor::Key;
use crate::errno::{Failure, Result};
use crate::socket::Socket;

/// The sockets of a process.
#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<HashMap<Key, Arc<Socket>>>);

impl Table {
    /// # Errors
    /// EBADF if it is not open, or no socket of ours.
    pub(crate) fn socket(&self, fd: RawFd) -> Result<Arc<Socket>> {
        let key = Key::of(fd)?;
        let found = self.lock().get(&key).cloned();
        found.ok_or_else(|| Failure::new(libc::EBADF, "the descriptor is no RSerPool socket of this process"))
    }

    pub(crate) fn insert(&self, socket: Arc<Socket>) {
        self.lock().insert(socket.key(), socket);
    }

    /// All there are now.
    pub(crate) fn all(&self) -> Vec<Arc<Socket>> {
        self.lock().values().cloned().collect()
    }

    /// For whoever comes first.
    pub(crate) fn take(&self, key: Key) -> Option<Arc<Socket>> {
        self.lock().remove(&key)
    }

    pub(crate) fn take_all(&self) -> Vec<Arc<Socket>> {
        self.lock().drain().map(|(_, socket)| socket).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Socket>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
