// SPDX-License-Identifier: MIT OR Apache-2.0
//! What there is to show: the sessions and pool elements of one pool user.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::{Value, json};

use crate::{Error, Result};

/// A pool element as the control socket knows it.
pub(crate) trait Element: Send + Sync {
    /// As an object of the protocol.
    fn describe(&self) -> Value;

    /// Changes load or weight; whoever is told nothing stays as it is.
    ///
    /// # Errors
    /// [`Error::Config`] if its policy has no such value.
    fn set(&self, load: Option<f64>, weight: Option<u32>) -> Result<()>;
}

/// Answers a session as an object of the protocol; nothing once it is over.
type Session = Box<dyn Fn() -> Option<Value> + Send + Sync>;

/// All of them, in the order they came. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    next: u64,
    sessions: BTreeMap<u64, Session>,
    elements: BTreeMap<u64, Weak<dyn Element>>,
}

/// What entered leaves when this is dropped.
pub(crate) struct Entered(Registry, u64);

impl Registry {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter_session(&self, session: impl Fn() -> Option<Value> + Send + Sync + 'static) -> Entered {
        let mut state = self.lock();
        state.next += 1;
        let key = state.next;
        state.sessions.insert(key, Box::new(session));
        Entered(self.clone(), key)
    }

    pub(crate) fn enter_element(&self, element: Weak<dyn Element>) -> Entered {
        let mut state = self.lock();
        state.next += 1;
        let key = state.next;
        state.elements.insert(key, element);
        Entered(self.clone(), key)
    }

    /// Everything, as an object of the protocol.
    pub(super) fn describe(&self) -> Value {
        let state = self.lock();
        let sessions: Vec<Value> = state.sessions.values().filter_map(|session| session()).collect();
        let elements: Vec<Value> = state.elements.values().filter_map(|it| Some(it.upgrade()?.describe())).collect();
        drop(state);
        let program = std::env::args_os().next().unwrap_or_default();
        let program = std::path::Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
        json!({"pid": std::process::id(), "program": program, "version": env!("CARGO_PKG_VERSION"), "sessions": sessions, "pool_elements": elements})
    }

    /// Changes one pool element and answers what it is now; nothing if there is no such element.
    pub(super) fn set(&self, pool: &str, pe: &str, load: Option<f64>, weight: Option<u32>) -> Result<Option<Value>> {
        let elements: Vec<_> = self.lock().elements.values().filter_map(Weak::upgrade).collect();
        let Some(element) = elements.iter().find(|it| {
            let it = it.describe();
            it["pool"] == pool && it["pe"] == pe
        }) else {
            return Ok(None);
        };
        if load.is_none() && weight.is_none() {
            return Err(Error::Config("give a load or a weight".to_owned()));
        }
        element.set(load, weight)?;
        Ok(Some(element.describe()))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let left = (state.sessions.remove(&self.1), state.elements.remove(&self.1));
        // What they hold may have locks of its own.
        drop(state);
        drop(left);
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        write!(f, "Registry({} sessions, {} elements)", state.sessions.len(), state.elements.len())
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entered({})", self.1)
    }
}
