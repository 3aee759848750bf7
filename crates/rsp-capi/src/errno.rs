// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors as C has them: `errno`, and for each thread a sentence about the last one and the registrar's cause code.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};

use rserpool::Error;

/// Why a call failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) errno: c_int,
    text: Cow<'static, str>,
    /// Error cause of a registrar, RFC 5354 §3.12; 0 if it was not one.
    cause: u16,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(errno: c_int, text: impl Into<Cow<'static, str>>) -> Self {
        Failure { errno, text: text.into(), cause: 0 }
    }

    /// What the last system call said.
    pub(crate) fn last_os_error() -> Self {
        std::io::Error::last_os_error().into()
    }

    /// Error cause of a registrar; 0 if it was not one.
    pub(crate) fn cause(&self) -> u16 {
        self.cause
    }

    /// For this thread to see.
    pub(crate) fn set(&self) {
        let text = CString::new(self.text.replace('\0', " ")).expect("NUL bytes are replaced");
        // While the thread ends there is nobody to read it.
        let _ = LAST.try_with(|last| *last.borrow_mut() = Last { text, cause: self.cause });
        set_errno(self.errno);
    }
}

/// The sentence about the last error of this thread, valid until its next one.
pub(crate) fn last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().text.as_ptr()).unwrap_or(c"".as_ptr())
}

pub(crate) fn last_cause() -> u16 {
    LAST.try_with(|last| last.borrow().cause).unwrap_or(0)
}

pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: it is the address of this thread's errno.
    unsafe { *libc::__errno_location() = errno }
}

pub(crate) fn errno() -> c_int {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}

struct Last {
    text: CString,
    cause: u16,
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::new(Last { text: CString::default(), cause: 0 });
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::new(error.raw_os_error().unwrap_or(libc::EIO), error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = match &error {
            Error::Rejected(operation) => operation.0.first().map_or(0, |cause| cause.code()),
            _ => 0,
        };
        Failure { errno: error.errno(), text: Cow::Owned(error.to_string()), cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_of_the_table() {
        let errno = |error: Error| Failure::from(error).errno;
        assert_eq!(errno(Error::Closed), libc::ENOTCONN);
        assert_eq!(errno(Error::TooLong { len: 2, max: 1 }), libc::EMSGSIZE);
        assert_eq!(errno(std::io::Error::from_raw_os_error(libc::EADDRINUSE).into()), libc::EADDRINUSE);
    }

    #[test]
    fn each_thread_has_its_own_last_error() {
        Failure::new(libc::EDOM, "a \0 b").set();
        std::thread::spawn(|| Failure::new(libc::ENOENT, "other").set()).join().expect("it does not panic");
        // SAFETY: it ends with NUL and nothing has failed since.
        let text = unsafe { std::ffi::CStr::from_ptr(last_error()) };
        assert_eq!((errno(), text), (libc::EDOM, c"a   b"));
    }
}
