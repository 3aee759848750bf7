// SPDX-License-Identifier: MIT OR Apache-2.0
//! Basic mode: the application serves and connects by itself.

use std::collections::HashMap;
use std::ffi::{c_int, c_uint};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rserpool::{Items, Mapping, PeHandle, PeId, PoolElement, PoolHandle};
use rsp_wire::parameter::{PoolElement as Element, Protocol, UserTransport};
use tokio::task::AbortHandle;

use super::element::policy;
use super::layout::{AddrInfo, LoadInfo, constant};
use super::packed;
use crate::errno::{Failure, Result};
use crate::handle;
use crate::library::{Library, existing, library};
use crate::panic::boundary;

/// The pool elements this process has registered in basic mode.
#[derive(Debug, Default)]
pub(crate) struct Registrations(Mutex<HashMap<(PoolHandle, u32), Registration>>);

#[derive(Debug)]
struct Registration {
    element: Arc<PoolElement>,
    address: Vec<SocketAddr>,
    /// Ends it when its life is over.
    end: AbortHandle,
}

impl Registrations {
    fn lock(&self) -> MutexGuard<'_, HashMap<(PoolHandle, u32), Registration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, to be deregistered.
    pub(crate) fn take_all(&self) -> Vec<Arc<PoolElement>> {
        let all = std::mem::take(&mut *self.lock());
        all.into_values()
            .map(|it| {
                it.end.abort();
                it.element
            })
            .collect()
    }
}

/// `rsp_pe_registration`
///
/// # Safety
/// `pool` is null or points to `len` bytes, `info` and `load` are null or point to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_pe_registration(
    pool: *const u8,
    len: usize,
    info: *mut AddrInfo,
    load: *const LoadInfo,
    life: c_uint,
    flags: c_int,
) -> c_uint {
    coded(|| {
        let library = library()?;
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool.cast(), len) }?;
        // SAFETY: as above.
        let info = unsafe { info.as_mut() }.ok_or_else(handle::null)?;
        // SAFETY: as above.
        let address = unsafe { packed::read(info.ai_addr, info.ai_addrs) }?;
        // SAFETY: as above.
        let policy = policy(unsafe { load.as_ref() })?;
        let flags = flags.cast_unsigned();
        if address.is_empty() || life == 0 || flags & constant::REGF_CONTROLCHANNEL != 0 {
            return Err(Failure::new(libc::EINVAL, "a data channel has an address, and a registration a life"));
        }
        if info.ai_pe_id == 0 {
            info.ai_pe_id = random_id();
        }
        let key = (pool.clone(), info.ai_pe_id);
        let life = Duration::from_millis(life.into());
        let known = library.basic.lock().get(&key).filter(|it| it.address == address).map(|it| Arc::clone(&it.element));
        if let Some(element) = known {
            let updated = Arc::clone(&element);
            library.runtime.call(async move { updated.update(policy).await })??;
            keep(&library, key, element, address, life);
            return Ok(constant::RSPERR_OKAY);
        }
        // Other addresses are another registration of the same pool element.
        let before = library.basic.lock().remove(&key);
        if let Some(before) = before {
            before.end.abort();
            let element = before.element;
            library.runtime.call(async move { element.deregister().await })??;
        }
        let protocol = protocol_of(info.ai_protocol)?;
        let is_daemon = flags & constant::REGF_DAEMONMODE != 0;
        let (weak, user, id) = (Arc::downgrade(&library), library.user.clone(), PeId(info.ai_pe_id));
        let registering = async move {
            let element = loop {
                let builder = PoolElement::builder(pool.clone()).user(&user).mapping(Mapping::None).id(id);
                let builder = builder.policy(policy).life(life).advertise(address.iter().copied()).protocol(protocol);
                match builder.register().await {
                    Ok(element) => break Arc::new(element),
                    Err(rserpool::Error::NoRegistrar(_)) if is_daemon => tokio::time::sleep(RETRY).await,
                    Err(error) => return Err(error),
                }
            };
            if let Some(library) = weak.upgrade() {
                keep(&library, key, element, address, life);
            }
            Ok(())
        };
        match flags & (constant::REGF_DONTWAIT | constant::REGF_DAEMONMODE) {
            0 => library.runtime.call(registering)??,
            // How it goes is logged.
            _ => library.runtime.spawn(async move {
                if let Err(error) = registering.await {
                    tracing::warn!(%error, "registration failed");
                }
            }),
        }
        Ok(constant::RSPERR_OKAY)
    })
}

/// Remembers it, until its life is over.
fn keep(
    library: &Arc<Library>,
    key: (PoolHandle, u32),
    element: Arc<PoolElement>,
    address: Vec<SocketAddr>,
    life: Duration,
) {
    let (weak, over) = (Arc::downgrade(library), key.clone());
    let end = library.runtime.spawn_abortable(async move {
        tokio::time::sleep(life).await;
        let ended = weak.upgrade().and_then(|library| library.basic.lock().remove(&over));
        if let Some(registration) = ended {
            // It has no errors.
            let _ = registration.element.deregister().await;
        }
    });
    let before = library.basic.lock().insert(key, Registration { element, address, end });
    if let Some(before) = before {
        before.end.abort();
    }
}

/// `rsp_pe_deregistration`
///
/// # Safety
/// `pool` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_pe_deregistration(pool: *const u8, len: usize, id: u32, flags: c_int) -> c_uint {
    coded(|| {
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool.cast(), len) }?;
        let library = existing()?;
        let Some(registration) = library.basic.lock().remove(&(pool, id)) else {
            return Ok(constant::RSPERR_NOT_FOUND);
        };
        registration.end.abort();
        let element = registration.element;
        // It has no errors.
        let leaving = async move { drop(element.deregister().await) };
        match flags.cast_unsigned() & constant::DEREGF_DONTWAIT {
            0 => library.runtime.call(leaving)?,
            _ => library.runtime.spawn(leaving),
        }
        Ok(constant::RSPERR_OKAY)
    })
}

/// `rsp_pe_failure`
///
/// # Safety
/// `pool` is null or points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_pe_failure(pool: *const u8, len: usize, id: u32) -> c_uint {
    coded(|| {
        // SAFETY: by the contract of this function.
        let pool = unsafe { handle::pool(pool.cast(), len) }?;
        let library = library()?;
        let failed = PeHandle { pool, id: PeId(id), mapping: Mapping::None, protocol: None, addrs: Vec::new() };
        let user = library.user.clone();
        library.runtime.call(async move { user.report_failure(&failed).await })?;
        Ok(constant::RSPERR_OKAY)
    })
}

/// `rsp_getaddrinfo`
///
/// # Safety
/// `pool` is null or points to `len` bytes, `list` is null or points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_getaddrinfo(
    pool: *const u8,
    len: usize,
    list: *mut *mut AddrInfo,
    items: usize,
    stale: c_uint,
) -> c_int {
    boundary(constant::REAI_SYSTEM, || {
        // SAFETY: by the contract of this function.
        let list = unsafe { list.as_mut() }.ok_or_else(handle::null)?;
        *list = std::ptr::null_mut();
        // SAFETY: as above.
        let pool = unsafe { handle::pool(pool.cast(), len) }?;
        let library = library()?;
        let items = match u32::try_from(items) {
            Ok(constant::RSPGETADDRS_DEFAULT) => Items::Default,
            Ok(constant::RSPGETADDRS_MAX) | Err(_) => Items::All,
            Ok(n) => Items::AtMost(n),
        };
        let user = library.user.clone();
        let found = library.runtime.call(async move {
            match stale {
                0 => user.resolve_fresh(pool, items).await,
                _ => user.resolve(pool, items).await,
            }
        })?;
        let elements = match found {
            Ok(pool) if pool.elements.is_empty() => return Ok(constant::REAI_NONAME),
            Ok(pool) => pool.elements,
            Err(rserpool::Error::UnknownPool { .. }) => return Ok(constant::REAI_NONAME),
            Err(error) => return Err(error.into()),
        };
        let mut count = 0;
        let mut end: *mut *mut AddrInfo = list;
        for element in &elements {
            let Some(new) = address_info(element) else { continue };
            // SAFETY: it is as large as what is written to it, and `end` is the list's last pointer.
            unsafe {
                let memory: *mut AddrInfo = libc::malloc(size_of::<AddrInfo>()).cast();
                if memory.is_null() || new.ai_addr.is_null() {
                    libc::free(memory.cast());
                    libc::free(new.ai_addr.cast());
                    rsp_freeaddrinfo(std::mem::replace(list, std::ptr::null_mut()));
                    return Ok(constant::REAI_MEMORY);
                }
                memory.write(new);
                end.write(memory);
                end = &raw mut (*memory).ai_next;
            }
            count += 1;
        }
        Ok(if count == 0 { constant::REAI_FAMILY } else { count })
    })
}

/// What a socket needs to reach it; nothing for opaque transports.
fn address_info(element: &Element) -> Option<AddrInfo> {
    let UserTransport::Ip(transport) = &element.user_transport else { return None };
    let addresses: Vec<_> = transport.addresses.iter().map(|ip| SocketAddr::new(*ip, transport.port)).collect();
    let first = addresses.first()?;
    let (kind, protocol) = match transport.protocol {
        Protocol::Sctp => (libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP),
        Protocol::Tcp => (libc::SOCK_STREAM, libc::IPPROTO_TCP),
        Protocol::Udp => (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        Protocol::UdpLite => (libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE),
        Protocol::Dccp { .. } => (libc::SOCK_DCCP, libc::IPPROTO_DCCP),
    };
    Some(AddrInfo {
        ai_family: if first.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 },
        ai_socktype: kind,
        ai_protocol: protocol,
        ai_addrlen: packed::write(&addresses).1,
        ai_addrs: addresses.len(),
        ai_addr: packed::allocate(&addresses),
        ai_next: std::ptr::null_mut(),
        ai_pe_id: element.id.0,
    })
}

/// `rsp_freeaddrinfo`
///
/// # Safety
/// `list` is null or came from [`rsp_getaddrinfo`], and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rsp_freeaddrinfo(list: *mut AddrInfo) {
    boundary((), || {
        let mut next = list;
        // SAFETY: by the contract of this function.
        while let Some(this) = unsafe { next.as_ref() } {
            let (after, address) = (this.ai_next, this.ai_addr);
            // SAFETY: as above: each came from `malloc`.
            unsafe {
                libc::free(address.cast());
                libc::free(next.cast());
            }
            next = after;
        }
        Ok(())
    });
}

fn protocol_of(number: c_int) -> Result<Protocol> {
    match number {
        0 | libc::IPPROTO_TCP => Ok(Protocol::Tcp),
        libc::IPPROTO_SCTP => Ok(Protocol::Sctp),
        libc::IPPROTO_UDP => Ok(Protocol::Udp),
        libc::IPPROTO_UDPLITE => Ok(Protocol::UdpLite),
        _ => Err(Failure::new(libc::EINVAL, "there is no such transport protocol in RSerPool")),
    }
}

/// What the basic mode answers instead of -1.
fn coded(call: impl FnOnce() -> Result<c_uint>) -> c_uint {
    let mut code = constant::RSPERR_INTERNAL;
    boundary((), || {
        let result = call();
        code = match &result {
            Ok(code) => *code,
            Err(failure) => code_of(failure),
        };
        result.map(drop)
    });
    code
}

fn code_of(failure: &Failure) -> c_uint {
    match (failure.cause(), failure.errno) {
        (cause @ 1.., _) => cause.into(),
        (_, libc::ENETUNREACH) => constant::RSPERR_NO_REGISTRAR,
        (_, libc::ETIMEDOUT) => constant::RSPERR_TIMEOUT,
        (_, libc::ENOMEM) => constant::RSPERR_OUT_OF_MEMORY,
        (_, libc::EBADF) => constant::RSPERR_NOT_FOUND,
        (_, libc::EINVAL | libc::EFAULT | libc::ENAMETOOLONG | libc::EAFNOSUPPORT) => constant::RSPERR_INVALID_ARGUMENT,
        _ => constant::RSPERR_INTERNAL,
    }
}

/// An identifier that is not 0. The standard library seeds its hashers from the system's random source.
fn random_id() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (random as u32).max(1)
}

/// Between attempts to find a registrar, in daemon mode.
const RETRY: Duration = Duration::from_secs(1);
