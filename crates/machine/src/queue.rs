// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue that takes no memory while it is empty.

use std::collections::VecDeque;

/// First in, first out. What an idle session costs is what counts with ten thousand of them, so an empty queue gives its memory back.
#[derive(Debug, Clone)]
pub struct Queue<T>(VecDeque<T>);

impl<T> Queue<T> {
    /// Nothing in it.
    pub const fn new() -> Self {
        Queue(VecDeque::new())
    }

    /// Puts an item at the end.
    pub fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    /// Takes the first item.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.0.pop_front();
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
        item
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Extend<T> for Queue<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.0.extend(items);
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_the_order_they_went_in_and_an_empty_queue_has_no_memory() {
        let mut queue = Queue::new();
        queue.push(1);
        queue.extend(2..=1000);
        assert_eq!(queue.len(), 1000);
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), (1..=1000).collect::<Vec<_>>());
        assert!(queue.is_empty() && queue.0.capacity() == 0);
    }
}
