// SPDX-License-Identifier: MIT OR Apache-2.0
//! What there is once per process: the runtime, the pool user and the sockets. The first call that needs it makes it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use rserpool::{Config, PoolUser, Transport};
use rsp_core::config::{LifeUnit, Profile};

use crate::descriptor;
use crate::errno::{Failure, Result};
use crate::rsplib::Wishes;
use crate::rsplib::basic::Registrations;
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::table::Table;
use crate::under_way::UnderWay;

#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) table: Table,
    /// Sockets that are being closed in the background.
    pub(crate) closing: UnderWay,
    /// Pool elements of `<rserpool.h>`'s basic mode.
    pub(crate) basic: Registrations,
    pub(crate) config: Config,
    pub(crate) user: PoolUser,
    pub(crate) runtime: Runtime,
    pub(crate) transport: Transport,
    /// What a registration life is counted in on the wire.
    pub(crate) life_unit: LifeUnit,
}

/// What an application says before the first socket; nothing = what environment, file and profile say.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) config: Option<PathBuf>,
    pub(crate) registrars: Vec<String>,
    pub(crate) profile: Option<Profile>,
    pub(crate) transport: Option<Transport>,
    /// What a program of `<rserpool.h>` wants.
    pub(crate) wishes: Wishes,
}

static CURRENT: Mutex<Option<Arc<Library>>> = Mutex::new(None);

/// The library of this process, made if need be.
pub(crate) fn library() -> Result<Arc<Library>> {
    let mut current = lock();
    match &*current {
        Some(library) => Ok(Arc::clone(library)),
        None => start(&mut current, Settings::default()),
    }
}

/// The library if there is one: without it, no descriptor is ours.
pub(crate) fn existing() -> Result<Arc<Library>> {
    lock().clone().ok_or_else(|| Failure::new(libc::EBADF, "there are no RSerPool sockets in this process"))
}

/// The socket of a descriptor.
pub(crate) fn socket(fd: i32) -> Result<(Arc<Library>, Arc<Socket>)> {
    let library = existing()?;
    let socket = library.table.socket(fd)?;
    Ok((library, socket))
}

/// As the application wants it.
///
/// # Errors
/// EALREADY if it is running: its sockets have what it was started with.
pub(crate) fn initialize(settings: Settings) -> Result<()> {
    let mut current = lock();
    match &*current {
        Some(_) => {
            Err(Failure::new(libc::EALREADY, "it is started already: rsp_initialize comes before the first socket"))
        }
        None => start(&mut current, settings).map(drop),
    }
}

/// Ends all sessions and registrations, waiting a second at most for what is under way, and the thread.
pub(crate) fn cleanup() {
    let library = lock().take();
    if let Some(library) = library {
        let sockets = library.table.take_all();
        sockets.iter().for_each(|socket| socket.leave_descriptor());
        let ends: Vec<_> = sockets.iter().map(|socket| socket.close()).collect();
        let elements = library.basic.take_all();
        let closing = library.closing.clone();
        let all = async move {
            for element in elements {
                tokio::spawn(async move { drop(element.deregister().await) });
            }
            let ends: Vec<_> = ends.into_iter().map(tokio::spawn).collect();
            for end in ends {
                // A task that panicked has ended, too.
                let _ = end.await;
            }
            closing.over().await;
        };
        library.runtime.finish(EXIT_FLUSH, all);
    }
}

fn start(current: &mut MutexGuard<'_, Option<Arc<Library>>>, settings: Settings) -> Result<Arc<Library>> {
    let mut config = Config::load_with(settings.profile, settings.config.as_deref())?;
    if let Some(transport) = settings.transport {
        config.transport = transport;
    }
    settings.wishes.apply(&mut config);
    let (transport, life_unit) = (config.transport, config.endpoint.wire.life_unit);
    let runtime = Runtime::start()?;
    let mut builder = PoolUser::builder().config(config.clone());
    for registrar in settings.registrars {
        builder = builder.registrar(registrar);
    }
    let user = runtime.call(builder.build())??;
    let library = Arc::new(Library {
        table: Table::default(),
        closing: UnderWay::most(MAX_CLOSING),
        basic: Registrations::default(),
        config,
        user,
        runtime,
        transport,
        life_unit,
    });
    **current = Some(Arc::clone(&library));
    HANDLERS.call_once(|| {
        // SAFETY: the handlers are functions of this library, which is never unloaded.
        unsafe {
            libc::atexit(at_exit);
            libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child));
        }
    });
    Ok(library)
}

fn lock() -> MutexGuard<'static, Option<Arc<Library>>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn at_exit() {
    crate::panic::boundary((), || {
        cleanup();
        Ok(())
    });
}

/// What a child must not find locked.
type Forking = (MutexGuard<'static, Option<Arc<Library>>>, MutexGuard<'static, descriptor::Known>);

thread_local! {
    /// Held by the thread that forks, so that the child finds it whole.
    static FORKING: std::cell::RefCell<Option<Forking>> = const { std::cell::RefCell::new(None) };
}

extern "C" fn before_fork() {
    let _ = FORKING.try_with(|forking| *forking.borrow_mut() = Some((lock(), descriptor::known())));
}

extern "C" fn after_fork() {
    let _ = FORKING.try_with(|forking| *forking.borrow_mut() = None);
}

/// The child has no background thread: what it inherited cannot be used, nor ended, since the ends are still the parent's.
extern "C" fn in_child() {
    let _ = FORKING.try_with(|forking| {
        if let Some((mut current, _)) = forking.borrow_mut().take() {
            std::mem::forget(current.take());
        }
    });
}

static HANDLERS: Once = Once::new();

/// Sockets being closed that the end of the program waits for; as many as a process has descriptors.
const MAX_CLOSING: u32 = 1 << 20;
/// How long the end of the program may wait for what is under way.
const EXIT_FLUSH: Duration = Duration::from_secs(1);
