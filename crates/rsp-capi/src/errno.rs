// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors as C has them: `errno`, and for each thread a sentence about the last one and the registrar's cause code.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{c_char, c_int};

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
        // While the thread ends there is nobody to read it.
        let _ = LAST.try_with(|last| {
            let last = &mut *last.borrow_mut();
            let length = self.text.floor_char_boundary(LONGEST - 1);
            for (to, from) in last.text.iter_mut().zip(&self.text.as_bytes()[..length]) {
                *to = if *from == 0 { b' ' } else { *from };
            }
            last.text[length] = 0;
            last.cause = self.cause;
        });
        set_errno(self.errno);
    }
}

/// The sentence about the last error of this thread. The next one is written over it: a program that kept the pointer reads another sentence, at worst.
pub(crate) fn last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().text.as_ptr().cast()).unwrap_or(c"".as_ptr())
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
    /// Ends with NUL.
    text: [u8; LONGEST],
    cause: u16,
}

/// Bytes of a sentence with its NUL; a longer one is cut.
const LONGEST: usize = 512;

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last { text: [0; LONGEST], cause: 0 }) };
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

    #[test]
    fn a_sentence_that_is_too_long_is_cut_and_never_moves() {
        Failure::new(libc::EDOM, "short").set();
        let before = last_error();
        Failure::new(libc::EDOM, "\u{e4}".repeat(LONGEST)).set();
        assert_eq!(last_error(), before);
        // SAFETY: it ends with NUL, and this thread does not fail meanwhile.
        let text = unsafe { std::ffi::CStr::from_ptr(before) };
        assert_eq!(text.to_str(), Ok(&*"\u{e4}".repeat((LONGEST - 1) / 2)));
    }
}
