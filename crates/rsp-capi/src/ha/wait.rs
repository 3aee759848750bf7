// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting on several descriptors, and notifications.

use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

use libc::{fd_set, nfds_t, pollfd, ssize_t, timeval};

use super::callback::{self, Call, Step, depth};
use crate::errno::{Failure, Result, errno};
use crate::handle;
use crate::layout::NotifyFn;
use crate::library::socket;
use crate::panic::boundary;
use crate::socket::Callback;

/// `rsp_poll`
///
/// # Safety
/// `fds` is null or points to `count` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_poll(fds: *mut pollfd, count: nfds_t, ms: c_int) -> c_int {
    let depth = depth!();
    let deadline = u64::try_from(ms).ok().map(|ms| Instant::now() + Duration::from_millis(ms));
    loop {
        let step = boundary(Step::Return(-1), || {
            callback::entered(depth);
            check_count(count)?;
            if fds.is_null() && count > 0 {
                return Err(handle::null());
            }
            // SAFETY: by the contract of this function; NULL has no elements.
            let all = if count == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(fds, count as usize) } };
            if let Some(call) = all.iter().find_map(|it| pending(it.fd, depth)) {
                return Ok(Step::Callback(call));
            }
            let left = deadline.map_or(-1, millis_until);
            if left != 0 {
                release(all.iter().map(|it| it.fd));
            }
            // SAFETY: as above.
            let ready = unsafe { libc::poll(all.as_mut_ptr(), count, left) };
            if ready < 0 {
                return Err(Failure::last_os_error());
            }
            match all.iter().filter(|it| it.revents != 0).find_map(|it| pending(it.fd, depth)) {
                Some(call) => Ok(Step::Callback(call)),
                None => Ok(Step::Return(ready)),
            }
        });
        match step {
            Step::Return(ready) => return ready,
            // SAFETY: it was begun by `pending`, and the application vouches for its function.
            Step::Callback(call) => unsafe { callback::run(call, depth) },
        }
    }
}

/// `rsp_select`
///
/// # Safety
/// Each pointer is null or points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rsp_ha_select(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    except: *mut fd_set,
    time: *mut timeval,
) -> c_int {
    let depth = depth!();
    let mut asked: Option<Asked> = None;
    loop {
        let step = boundary(Step::Return(-1), || {
            callback::entered(depth);
            if !(0..=libc::FD_SETSIZE as c_int).contains(&count) {
                return Err(Failure::new(libc::EINVAL, "there are not so many descriptors in a set"));
            }
            let asked = match &mut asked {
                Some(asked) => asked,
                // SAFETY: by the contract of this function.
                None => asked.insert(unsafe { Asked::new([read, write, except], time) }?),
            };
            let in_set = |fd: c_int, set: &Option<fd_set>| {
                // SAFETY: the number is less than FD_SETSIZE.
                set.as_ref().is_some_and(|set| unsafe { libc::FD_ISSET(fd, set) })
            };
            let named = |fd: &c_int| asked.sets.iter().any(|set| in_set(*fd, set));
            if let Some(call) = (0..count).filter(named).find_map(|fd| pending(fd, depth)) {
                return Ok(Step::Callback(call));
            }
            let left = asked.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left != Some(Duration::ZERO) {
                release((0..count).filter(named));
            }
            let mut left = left.map(|left| timeval { tv_sec: left.as_secs() as _, tv_usec: left.subsec_micros() as _ });
            let mut found = asked.sets;
            let [r, w, e] = &mut found;
            let pointer = |set: &mut Option<fd_set>| set.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
            let time = left.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
            // SAFETY: all sets are copies of ours.
            let ready = unsafe { libc::select(count, pointer(r), pointer(w), pointer(e), time) };
            if ready < 0 {
                return Err(Failure::last_os_error());
            }
            if let Some(call) = (0..count).filter(|fd| in_set(*fd, &found[0])).find_map(|fd| pending(fd, depth)) {
                return Ok(Step::Callback(call));
            }
            for (place, set) in [read, write, except].into_iter().zip(found) {
                if let Some(set) = set {
                    // SAFETY: by the contract of this function; it was not null.
                    unsafe { place.write_unaligned(set) };
                }
            }
            Ok(Step::Return(ready))
        });
        match step {
            Step::Return(ready) => return ready,
            // SAFETY: it was begun by `pending`, and the application vouches for its function.
            Step::Callback(call) => unsafe { callback::run(call, depth) },
        }
    }
}

/// What a select was called with.
#[derive(Clone, Copy)]
struct Asked {
    sets: [Option<fd_set>; 3],
    deadline: Option<Instant>,
}

impl Asked {
    /// # Safety
    /// Each pointer is null or points to what its type says.
    unsafe fn new(sets: [*mut fd_set; 3], time: *const timeval) -> Result<Self> {
        // SAFETY: by the contract of this function.
        let sets = sets.map(|set| (!set.is_null()).then(|| unsafe { set.read_unaligned() }));
        // SAFETY: as above.
        let time = (!time.is_null()).then(|| unsafe { time.read_unaligned() });
        let duration = |time: timeval| match (u64::try_from(time.tv_sec), u64::try_from(time.tv_usec)) {
            (Ok(seconds), Ok(micros)) => Ok(Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))),
            _ => Err(Failure::new(libc::EINVAL, "the time is negative")),
        };
        // A time beyond what the clock can say is for ever.
        let deadline = time.map(duration).transpose()?.and_then(|time| Instant::now().checked_add(time));
        Ok(Asked { sets, deadline })
    }
}

/// `rsp_dispatch`: runs the callbacks that wait on this descriptor; answers how many.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_dispatch(fd: c_int) -> c_int {
    let depth = depth!();
    let mut count = 0;
    loop {
        let step = boundary(Step::Return(-1), || {
            callback::entered(depth);
            socket(fd)?;
            Ok(pending(fd, depth).map_or(Step::Return(count), Step::Callback))
        });
        match step {
            Step::Return(result) => return result,
            // SAFETY: it was begun by `pending`, and the application vouches for its function.
            Step::Callback(call) => unsafe { callback::run(call, depth) },
        }
        count += 1;
    }
}

/// `rsp_notify`
#[unsafe(no_mangle)]
pub extern "C-unwind" fn rsp_ha_notify(
    fd: c_int,
    events: u32,
    function: Option<NotifyFn>,
    argument: *mut c_void,
) -> ssize_t {
    boundary(-1, || {
        let (_, socket) = socket(fd)?;
        if events & !ALL_EVENTS != 0 {
            return Err(Failure::new(libc::EINVAL, "there is no such event"));
        }
        socket.subscribe(fd, events, function.map(|function| Callback { function, argument, fd }));
        Ok(0)
    })
}

/// The first callback that waits on a descriptor, if it is ours.
fn pending(fd: c_int, depth: usize) -> Option<Call> {
    if fd < 0 {
        return None;
    }
    let (_, socket) = socket(fd).ok()?;
    let (callback, notice) = socket.next_callback(fd)?;
    Some(callback::begin(&socket, callback, notice, depth))
}

/// A call that may wait for these lets go what it could wait for, if it is made from inside a callback.
fn release(fds: impl Iterator<Item = c_int>) {
    if callback::is_inside() {
        fds.filter_map(|fd| socket(fd).ok()).for_each(|(_, socket)| callback::release(&socket));
    }
}

/// What `poll` itself checks, before its array is looked at.
fn check_count(count: nfds_t) -> Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure lives through the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(Failure::new(errno(), "the limit of descriptors is not known"));
    }
    match count > limit.rlim_cur {
        true => Err(Failure::new(libc::EINVAL, "there are not so many descriptors")),
        false => Ok(()),
    }
}

/// Rounded up, so that time is really up when it is 0.
fn millis_until(deadline: Instant) -> c_int {
    let left = deadline.saturating_duration_since(Instant::now());
    left.as_micros().div_ceil(1000).try_into().unwrap_or(c_int::MAX)
}

/// `RSP_N_*`
const ALL_EVENTS: u32 = 255;
