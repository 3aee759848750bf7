// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of what is shouted is listened to.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Lets so many pass in each window of time.
#[derive(Debug)]
pub(super) struct Pace {
    window_ends: Pin<Box<Sleep>>,
    passed: u32,
}

impl Pace {
    pub(super) fn new() -> Self {
        Pace { window_ends: Box::pin(tokio::time::sleep(WINDOW)), passed: 0 }
    }

    /// Ready if one more may pass.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.passed >= MOST {
            ready!(self.window_ends.as_mut().poll(cx));
        }
        if Instant::now() >= self.window_ends.deadline() {
            self.window_ends.as_mut().reset(Instant::now() + WINDOW);
            self.passed = 0;
        }
        self.passed += 1;
        Poll::Ready(())
    }
}

/// 100 registrars of profile fast send 400 datagrams a second; ten times as many may come.
const MOST: u32 = 400;
const WINDOW: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_waits_for_the_next_window_and_a_trickle_never() {
        let mut pace = Pace::new();
        let start = Instant::now();
        for _ in 0..10 * MOST {
            std::future::poll_fn(|cx| pace.poll_next(cx)).await;
        }
        assert_eq!(start.elapsed().as_millis(), 9 * WINDOW.as_millis());
        for _ in 0..10 {
            tokio::time::sleep(WINDOW).await;
            let before = Instant::now();
            std::future::poll_fn(|cx| pace.poll_next(cx)).await;
            assert_eq!(before.elapsed(), Duration::ZERO);
        }
    }
}
