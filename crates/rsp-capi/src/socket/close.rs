// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a socket.

use std::future::Future;
use std::sync::Arc;

use super::Socket;
use crate::errno::Failure;

impl Socket {
    /// Ends everything: waiting calls at once, with EBADF; sessions and the registration in order, when the future runs.
    pub(crate) fn close(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let (conversations, element, to_accept, mailbox, options) = self.change(None, |state| {
            state.closed = true;
            state.queue.clear();
            if let Some(by_hand) = &mut state.by_hand {
                by_hand.let_go();
            }
            state.rest = None;
            state.ended.get_or_insert(Err(Failure::new(libc::EBADF, "the socket is closed")));
            if let Some(watch) = state.watch.take() {
                watch.abort();
            }
            if let Some(attempt) = state.registering.take() {
                attempt.abort();
            }
            let conversations: Vec<_> = state.conversations.drain().map(|(_, conversation)| conversation).collect();
            let mailbox = state.mailbox.take();
            (conversations, state.element.take(), std::mem::take(&mut state.to_accept), mailbox, state.options.clone())
        });
        self.accepting.notify_waiters();
        async move {
            drop(to_accept);
            let closing: Vec<_> = conversations
                .into_iter()
                .map(|conversation| tokio::spawn(async move { conversation.close(options.linger).await }))
                .collect();
            if let Some(element) = element {
                // It has no errors.
                let _ = element.deregister().await;
            }
            if let Some(mailbox) = mailbox {
                mailbox.close(options.linger).await;
            }
            for closing in closing {
                // One that panicked has ended, too.
                let _ = closing.await;
            }
        }
    }
}
