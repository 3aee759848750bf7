// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calling the application back. No lock is held and nothing of ours waits to be dropped in the frames between its call and its callback, so that
//! it may `longjmp` or throw out of one; that counts as return, as soon as this thread calls us again.

use std::cell::RefCell;
use std::ffi::c_void;
use std::hint::black_box;
use std::sync::Arc;

use rserpool::Outgoing;

use crate::errno::{Failure, Result};
use crate::layout::{RspNotification, notification_bytes};
use crate::socket::{Callback, Notice, Socket};

/// A callback this thread is in.
struct Running {
    socket: Arc<Socket>,
    notice: Box<Notice>,
    /// What the callback was given.
    _shown: Box<[u64]>,
    /// Where the stack was in the call that runs it.
    depth: usize,
}

thread_local! {
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

/// What [`run`] needs; plain data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    callback: Callback,
    notification: *const RspNotification,
}

/// Where the stack of the calling function is, for [`entered`] and [`begin`].
macro_rules! depth {
    () => {{
        let here = 0_u8;
        std::ptr::from_ref(std::hint::black_box(&here)).addr()
    }};
}
pub(crate) use depth;

/// A call of the application at this depth of the stack: callbacks that were running above it were left by a jump.
pub(crate) fn entered(depth: usize) {
    let left: Vec<Running> = RUNNING
        .try_with(|running| {
            let mut running = running.borrow_mut();
            let first_left = running.iter().position(|it| depth + APART / 2 >= it.depth);
            first_left.map(|first| running.split_off(first)).unwrap_or_default()
        })
        .unwrap_or_default();
    // Dropping a failover lets the resends go.
    drop(left);
}

/// Makes everything ready to call the application back.
pub(crate) fn begin(socket: &Arc<Socket>, callback: Callback, notice: Box<Notice>, depth: usize) -> Call {
    let bytes = notification_bytes(&notice);
    // In words, so that it is aligned for the structure.
    let mut shown = vec![0_u64; bytes.len().div_ceil(8)].into_boxed_slice();
    let notification = shown.as_mut_ptr();
    // SAFETY: it has room for all of them, and they do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), notification.cast::<u8>(), bytes.len()) };
    let running = Running { socket: Arc::clone(socket), notice, _shown: shown, depth };
    if crate::panic::helps() {
        // What it is called with has to outlive this thread, and nothing comes after.
        std::mem::forget(running);
    } else {
        // It is only gone when the thread ends, and then another one helps.
        let _ = RUNNING.try_with(|all| all.borrow_mut().push(running));
    }
    Call { callback, notification: notification.cast::<RspNotification>() }
}

/// Calls it.
///
/// # Safety
/// The application's function keeps to its type, and `call` is the last that was begun.
#[inline(never)]
pub(crate) unsafe fn run(call: Call, depth: usize) {
    // Calls from inside the callback are this much deeper in the stack than those from where we were called, whatever their frames look like.
    let apart = [0_u8; APART];
    black_box(&apart);
    let argument: *mut c_void = call.callback.argument;
    // SAFETY: by the contract of this function; the notification is kept by `RUNNING`.
    unsafe { (call.callback.function)(call.callback.fd, call.notification, argument) };
    black_box(&apart);
    returned(depth);
}

fn returned(depth: usize) {
    crate::panic::boundary((), || {
        entered(depth);
        Ok(())
    });
}

/// A message sent from inside a failover's callback goes ahead of what is resent.
pub(crate) fn send_ahead(socket: &Arc<Socket>, session: u32, outgoing: &Outgoing) -> Option<Result<rserpool::Sent>> {
    RUNNING
        .try_with(|running| {
            let running = running.borrow();
            let inside =
                running.iter().rev().find(|it| Arc::ptr_eq(&it.socket, socket) && it.notice.session == session)?;
            let failover = inside.notice.failover.as_ref()?;
            let mut sending = std::pin::pin!(failover.send(outgoing.clone()));
            match sending.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
                std::task::Poll::Ready(sent) => Some(sent.map_err(Failure::from)),
                std::task::Poll::Pending => None,
            }
        })
        .ok()
        .flatten()
}

/// Whether this thread is in a callback.
pub(crate) fn is_inside() -> bool {
    RUNNING.try_with(|running| !running.borrow().is_empty()).unwrap_or(false)
}

/// A call that is going to wait: what it waits for may be among the resends, or come of them, so they go.
pub(crate) fn release(socket: &Arc<Socket>) {
    let _ = RUNNING.try_with(|running| {
        for it in running.borrow_mut().iter_mut().filter(|it| Arc::ptr_eq(&it.socket, socket)) {
            it.notice.failover = None;
        }
    });
}

/// The same for the exported function: whether a callback is to be run before it goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<T> {
    Return(T),
    Callback(Call),
}

/// How much deeper a callback's frames are.
const APART: usize = 8 * 1024;
