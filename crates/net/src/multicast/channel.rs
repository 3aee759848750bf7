// SPDX-License-Identifier: MIT OR Apache-2.0
//! A channel that stays: joined again whatever becomes of the host's interfaces.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::{Multicast, MulticastError, MulticastOptions};

/// One or more groups that carry the same, usually one for IPv4 and one for IPv6.
#[derive(Debug)]
pub struct MulticastChannel {
    groups: Vec<Group>,
    options: MulticastOptions,
    /// When to look again which interfaces there are.
    look_again: Pin<Box<Sleep>>,
}

#[derive(Debug)]
struct Group {
    address: SocketAddr,
    joined: Option<Multicast>,
}

impl MulticastChannel {
    /// Joins what can be joined now and tries the rest every few seconds. What is joined, and that nothing can be, is logged.
    /// Must be called inside the runtime.
    pub fn open(groups: &[SocketAddr], options: MulticastOptions) -> Self {
        let groups = groups.iter().map(|address| Group { address: *address, joined: None }).collect();
        let mut channel = MulticastChannel { groups, options, look_again: Box::pin(tokio::time::sleep(LOOK_AGAIN)) };
        let reasons = channel.look();
        if !channel.is_joined() {
            for reason in reasons {
                tracing::warn!(%reason, "no multicast");
            }
        }
        channel
    }

    /// Whether any group is joined.
    pub fn is_joined(&self) -> bool {
        self.groups.iter().any(|group| group.joined.is_some())
    }

    /// Sends to all groups, without waiting; may be lost.
    pub fn send(&self, data: &[u8]) {
        for multicast in self.groups.iter().filter_map(|group| group.joined.as_ref()) {
            if let Err(error) = multicast.send(data) {
                tracing::debug!(group = %multicast.group(), %error, "cannot send");
            }
        }
    }

    /// The next datagram and where it comes from. Interfaces that come and go are noticed here. Dropping the future loses
    /// nothing.
    pub async fn receive(&mut self) -> (SocketAddr, Bytes) {
        std::future::poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<(SocketAddr, Bytes)> {
        while self.look_again.as_mut().poll(cx).is_ready() {
            self.look_again.as_mut().reset(Instant::now() + LOOK_AGAIN);
            for reason in self.look() {
                tracing::debug!(%reason, "no multicast");
            }
        }
        for multicast in self.groups.iter_mut().filter_map(|group| group.joined.as_mut()) {
            if let Poll::Ready(datagram) = multicast.poll_receive(cx) {
                return Poll::Ready(datagram);
            }
        }
        Poll::Pending
    }

    /// Joins where that is possible now, and answers why it is not elsewhere.
    fn look(&mut self) -> Vec<MulticastError> {
        let mut reasons = Vec::new();
        for group in &mut self.groups {
            let before = group.joined.as_ref().map(Multicast::joined_on);
            let result = match group.joined.take() {
                Some(mut multicast) => multicast.refresh().map(|()| multicast),
                None => Multicast::join(group.address, self.options.clone()),
            };
            match result {
                Ok(multicast) => {
                    let now = multicast.joined_on();
                    if before.as_ref() != Some(&now) {
                        tracing::info!(group = %group.address, interfaces = now, "multicast");
                    }
                    group.joined = Some(multicast);
                }
                Err(reason) => {
                    if before.is_some() {
                        tracing::warn!(%reason, "no multicast any more");
                    }
                    reasons.push(reason);
                }
            }
        }
        reasons
    }
}

/// How often interfaces are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
