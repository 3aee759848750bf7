// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract of every protocol core in this workspace.
//!
//! A core has no clock, no socket, no thread and no lock. It takes `&mut self`, an input and the time, and answers with
//! effects and the next deadline:
//!
//! ```text
//! loop {
//!     machine.handle_input(input, now)  or  machine.handle_timeout(now)
//!     while let Output::Effect(effect) = machine.poll_output() { perform(effect) }
//!     // poll_output answered Output::Wait(deadline): sleep until then, or until the next input
//! }
//! ```
//!
//! What a core says about connections, and hears from the transports, is in [`association`]; when a silent peer is dead, in [`liveness`].
//!
//! The shell that drives a machine reads everything that has already arrived before it calls
//! [`Machine::handle_timeout`], so that a late reader never mistakes its own delay for a dead peer.

pub mod association;
pub mod liveness;
mod queue;
mod rng;
mod time;
mod timers;

pub use queue::Queue;
pub use rng::Rng;
pub use time::Time;
pub use timers::Timers;

/// A protocol state machine.
pub trait Machine {
    /// What happens to the machine. May borrow from the shell's receive buffer.
    type Input<'a>;
    /// What the machine wants done.
    type Effect;

    /// Takes one input.
    fn handle_input(&mut self, input: Self::Input<'_>, now: Time);

    /// Called when the deadline of [`Output::Wait`] has passed. Calling it early or twice is harmless.
    fn handle_timeout(&mut self, now: Time);

    /// Call until it answers [`Output::Wait`].
    fn poll_output(&mut self) -> Output<Self::Effect>;
}

/// What [`Machine::poll_output`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<E> {
    /// Do this, then ask again.
    Effect(E),
    /// Nothing to do before this time; `None` = before the next input.
    Wait(Option<Time>),
}
