// SPDX-License-Identifier: MIT OR Apache-2.0
//! A descriptor that plain `poll`, `select` and `epoll` understand: one end of a pair of AF_UNIX sockets; the library has the other.
//!
//! Readable = a byte lies in it. Not writable = its send buffer, as small as can be, is full of bytes the library has not read. Closed by whatever
//! means = the library's end sees the hang-up.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::errno::{Failure, Result};

/// The library's end.
#[derive(Debug)]
pub(crate) struct Descriptor {
    ours: OwnedFd,
    /// Whose other end this is.
    pub(crate) key: Key,
}

/// What the application's end is known by, however often it is duplicated; a number that the system has given to another file since is another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    device: libc::dev_t,
    inode: libc::ino_t,
}

impl Descriptor {
    /// A pair: the number the application gets, and the library's end.
    pub(crate) fn pair(non_blocking: bool) -> Result<(RawFd, Descriptor)> {
        let mut ends = [0; 2];
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        // SAFETY: `ends` has room for two descriptors.
        if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } != 0 {
            return Err(Failure::last_os_error());
        }
        // SAFETY: both are new and nobody else's.
        let [theirs, ours] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        set_flags(ours.as_raw_fd(), libc::O_NONBLOCK)?;
        if non_blocking {
            set_flags(theirs.as_raw_fd(), libc::O_NONBLOCK)?;
        }
        let least: c_int = 1;
        // SAFETY: the option is an int and lives through the call.
        let result = unsafe {
            let size = size_of::<c_int>() as libc::socklen_t;
            libc::setsockopt(theirs.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, (&raw const least).cast(), size)
        };
        if result != 0 {
            return Err(Failure::last_os_error());
        }
        let key = Key::of(theirs.as_raw_fd())?;
        known().insert(key, Owner::Library);
        Ok((theirs.into_raw_fd(), Descriptor { ours, key }))
    }

    /// The library ends before the application has closed it: that is the application's to do.
    pub(crate) fn leave(&self) {
        if let Some(owner) = known().get_mut(&self.key) {
            *owner = Owner::Application;
        }
    }

    /// Another descriptor for the library's end, to watch for the hang-up.
    pub(crate) fn watch(&self) -> Result<OwnedFd> {
        Ok(self.ours.try_clone()?)
    }

    /// Makes the application's end readable.
    pub(crate) fn set_readable(&self) {
        send_byte(self.ours.as_raw_fd());
    }

    /// Makes it unreadable. `theirs` is the number the application called us with; a stranger's by now is left alone, and the answer is no.
    pub(crate) fn clear_readable(&self, theirs: RawFd) -> bool {
        let is_theirs = self.is_theirs(theirs);
        if is_theirs {
            drain(theirs);
        }
        is_theirs
    }

    /// Makes the application's end unwritable, by the same rule.
    pub(crate) fn set_full(&self, theirs: RawFd) -> bool {
        if !self.is_theirs(theirs) {
            return false;
        }
        // Two are enough on the kernels we know.
        for _ in 0..64 {
            let mut poll = libc::pollfd { fd: theirs, events: libc::POLLOUT, revents: 0 };
            // SAFETY: one pollfd, which lives through the call.
            if unsafe { libc::poll(&raw mut poll, 1, 0) } != 1
                || poll.revents & libc::POLLOUT == 0
                || !send_byte(theirs)
            {
                break;
            }
        }
        true
    }

    /// Whether every descriptor of the application's end is closed.
    fn is_gone(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.ours.as_raw_fd(), events: 0, revents: 0 };
        // SAFETY: one pollfd, which lives through the call.
        unsafe { libc::poll(&raw mut poll, 1, 0) };
        poll.revents & libc::POLLHUP != 0
    }

    /// Another thread may have closed it since the call began, and the system given its number to another file.
    fn is_theirs(&self, theirs: RawFd) -> bool {
        Key::of(theirs).is_ok_and(|key| key == self.key)
    }

    /// Makes it writable again.
    pub(crate) fn clear_full(&self) {
        drain(self.ours.as_raw_fd());
    }

    /// Nothing will come any more: readable for ever, as a socket at its end is.
    pub(crate) fn end(&self) {
        // SAFETY: it is our own descriptor.
        unsafe { libc::shutdown(self.ours.as_raw_fd(), libc::SHUT_WR) };
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // A duplicate, or that of a child, is ours for as long as it is open.
        match self.is_gone() {
            true => drop(known().remove(&self.key)),
            false => self.leave(),
        }
    }
}

/// The application's ends that are open, also those whose library is gone: after `rsp_cleanup`, and in a child, nobody serves them, and the byte in
/// them is still none of the application's.
static KNOWN: Mutex<Known> = Mutex::new(Known::new());

pub(crate) type Known = BTreeMap<Key, Owner>;

/// Who closes an end of the application when `rsp_close` is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Library,
    /// There is no socket behind it any more.
    Application,
}

/// Which ends there are; a thread that forks holds it meanwhile.
pub(crate) fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a descriptor is, or was, that of a socket of this library.
pub(crate) fn is_known(fd: RawFd) -> bool {
    Key::of(fd).is_ok_and(|key| known().contains_key(&key))
}

/// Closes an end that was left; the answer is no if it is none, or is closed by another thread.
pub(crate) fn close_left(fd: RawFd) -> bool {
    let Ok(key) = Key::of(fd) else { return false };
    let mut known = known();
    let is_left = known.get(&key) == Some(&Owner::Application);
    if is_left {
        known.remove(&key);
        drop(known);
        close(fd);
    }
    is_left
}

impl Key {
    /// # Errors
    /// EBADF if it is not open.
    pub(crate) fn of(fd: RawFd) -> Result<Key> {
        // SAFETY: a stat of zeros is a valid one, and the system fills it.
        let stat = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            if libc::fstat(fd, &raw mut stat) != 0 {
                return Err(Failure::new(libc::EBADF, "the descriptor is not open"));
            }
            stat
        };
        Ok(Key { device: stat.st_dev, inode: stat.st_ino })
    }
}

/// Closes the application's end.
pub(crate) fn close(theirs: RawFd) {
    // SAFETY: the application has given it to us to close.
    unsafe { libc::close(theirs) };
}

/// Whether the application wants no call on it to wait.
pub(crate) fn is_non_blocking(fd: RawFd) -> bool {
    // SAFETY: no memory is involved; an error has all bits set.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags != -1 && flags & libc::O_NONBLOCK != 0
}

fn set_flags(fd: RawFd, flags: c_int) -> Result<()> {
    // SAFETY: no memory is involved.
    match unsafe { libc::fcntl(fd, libc::F_SETFL, flags) } {
        0 => Ok(()),
        _ => Err(Failure::last_os_error()),
    }
}

fn send_byte(fd: RawFd) -> bool {
    // SAFETY: one byte of static memory is sent.
    unsafe { libc::send(fd, [0_u8].as_ptr().cast(), 1, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) == 1 }
}

fn drain(fd: RawFd) {
    let mut bytes = [0_u8; 64];
    // SAFETY: the buffer is as long as we say.
    unsafe { libc::recv(fd, bytes.as_mut_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(fd: RawFd) -> i16 {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP, revents: 0 };
        // SAFETY: one pollfd.
        unsafe { libc::poll(&raw mut poll, 1, 0) };
        poll.revents
    }

    #[test]
    fn poll_shows_what_the_library_means() {
        let (theirs, ours) = Descriptor::pair(true).expect("a pair");
        assert!(is_non_blocking(theirs));
        assert_eq!(events(theirs), libc::POLLOUT);
        ours.set_readable();
        assert_eq!(events(theirs), libc::POLLOUT | libc::POLLIN);
        assert!(ours.clear_readable(theirs));
        assert!(ours.set_full(theirs));
        assert_eq!(events(theirs), 0);
        ours.clear_full();
        assert_eq!(events(theirs), libc::POLLOUT);
        ours.end();
        assert_eq!(events(theirs), libc::POLLOUT | libc::POLLIN | libc::POLLRDHUP);
        // SAFETY: the test's own descriptor.
        unsafe { libc::close(theirs) };
        assert_ne!(events(ours.ours.as_raw_fd()) & libc::POLLHUP, 0);
    }

    #[test]
    fn a_stranger_that_has_the_number_now_is_left_alone() {
        let (theirs, ours) = Descriptor::pair(true).expect("a pair");
        let (stranger, others) = Descriptor::pair(true).expect("another pair");
        others.set_readable();
        // SAFETY: the test's own descriptors.
        unsafe { libc::dup2(stranger, theirs) };
        assert!(!ours.clear_readable(theirs));
        assert!(!ours.set_full(theirs));
        assert_eq!(events(stranger), libc::POLLOUT | libc::POLLIN);
        // SAFETY: as above.
        unsafe {
            libc::close(stranger);
            libc::close(theirs);
        }
    }

    #[test]
    fn a_duplicate_is_the_same_descriptor_and_a_new_file_of_that_number_is_not() {
        let (theirs, ours) = Descriptor::pair(false).expect("a pair");
        // SAFETY: the test's own descriptors.
        unsafe {
            let again = libc::dup(theirs);
            assert_eq!(Key::of(again).expect("it is open"), ours.key);
            libc::close(again);
            libc::dup2(ours.ours.as_raw_fd(), theirs);
            assert_ne!(Key::of(theirs).expect("it is open"), ours.key);
            libc::close(theirs);
        }
        assert_eq!(Key::of(theirs).expect_err("it is closed").errno, libc::EBADF);
    }

    #[test]
    fn ends_of_the_application_are_known_until_they_are_closed() {
        let (theirs, ours) = Descriptor::pair(false).expect("a pair");
        let key = ours.key;
        assert!(is_known(theirs) && !is_known(ours.ours.as_raw_fd()) && !close_left(theirs));
        close(theirs);
        drop(ours);
        assert!(!known().contains_key(&key));

        let (theirs, ours) = Descriptor::pair(false).expect("a pair");
        let key = ours.key;
        drop(ours);
        assert!(is_known(theirs) && close_left(theirs) && !close_left(theirs));
        assert!(!known().contains_key(&key));
    }
}
