// SPDX-License-Identifier: MIT OR Apache-2.0
//! Growing arrays that never move what they hold: no pause to copy a million elements, no memory kept for growth.

use std::ops::{Index, IndexMut};

/// Elements of a page, a power of two.
const PAGE: usize = 512;

/// An array in pages.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    pages: Vec<Vec<T>>,
    len: usize,
}

impl<T> Paged<T> {
    pub(crate) fn push(&mut self, value: T) {
        if self.len.is_multiple_of(PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        self.pages[self.len / PAGE].push(value);
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten()
    }
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Paged { pages: Vec::new(), len: 0 }
    }
}

impl<T> Index<usize> for Paged<T> {
    type Output = T;
    fn index(&self, index: usize) -> &T {
        &self.pages[index / PAGE][index % PAGE]
    }
}

impl<T> IndexMut<usize> for Paged<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.pages[index / PAGE][index % PAGE]
    }
}

/// Values with stable numbers; a removed one's number is given away again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Paged<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// Stores `value` and answers its number.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = Some(value);
                at
            }
            None => {
                self.entries.push(Some(value));
                number(self.entries.len() - 1)
            }
        }
    }

    /// The number the next value gets.
    pub(crate) fn next_vacant(&self) -> u32 {
        self.free.last().copied().unwrap_or_else(|| number(self.entries.len()))
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<T> {
        let value = self.entries[at as usize].take()?;
        self.free.push(at);
        Some(value)
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        if (at as usize) < self.entries.len() { self.entries[at as usize].as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        if (at as usize) < self.entries.len() { self.entries[at as usize].as_mut() } else { None }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.entries.iter()).filter_map(|(at, entry)| Some((at, entry.as_ref()?)))
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("memory ends before 2^32 pools or PEs")
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Paged::default(), free: Vec::new() }
    }
}

/// For numbers that are known to be in use.
impl<T> Index<u32> for Slab<T> {
    type Output = T;
    fn index(&self, at: u32) -> &T {
        self.entries[at as usize].as_ref().expect("the number is in use")
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        self.entries[at as usize].as_mut().expect("the number is in use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_with_its_value_and_is_reused_after_it() {
        let mut slab = Slab::default();
        let numbers: Vec<u32> = (0..2000).map(|i| slab.insert(i)).collect();
        assert!(numbers.iter().all(|&n| slab[n] == n));
        assert_eq!(slab.remove(700), Some(700));
        assert_eq!((slab.remove(700), slab.get(700), slab.get(5000)), (None, None, None));
        assert_eq!(slab.len(), 1999);
        assert_eq!(slab.insert(9999), 700);
        assert_eq!(slab.iter().filter(|&(n, &v)| n != v).map(|(n, _)| n).collect::<Vec<_>>(), [700]);
    }
}
