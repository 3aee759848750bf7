// SPDX-License-Identifier: MIT OR Apache-2.0
//! Weights in a row, with their sums in a tree of 16 children per node: found by a share of the total in few cache lines.

const FANOUT: usize = 16;

/// `sums[0][i]` is the sum of 16 weights, `sums[1][i]` of 16 of those, up to a level of at most 16.
#[derive(Debug, Default)]
pub(super) struct SumTree {
    weights: Vec<u32>,
    sums: Vec<Vec<u64>>,
    total: u64,
}

impl SumTree {
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn push(&mut self, weight: u32) {
        let at = self.weights.len();
        self.weights.push(0);
        let mut below = self.weights.len();
        for level in 0.. {
            if below <= FANOUT {
                break;
            }
            let needed = below.div_ceil(FANOUT);
            if level == self.sums.len() {
                let sums = match level {
                    0 => self.weights.chunks(FANOUT).map(|c| c.iter().copied().map(u64::from).sum()).collect(),
                    _ => self.sums[level - 1].chunks(FANOUT).map(|c| c.iter().sum()).collect(),
                };
                self.sums.push(sums);
            } else if self.sums[level].len() < needed {
                self.sums[level].push(0);
            }
            below = needed;
        }
        self.set(at, weight);
    }

    pub(super) fn set(&mut self, at: usize, weight: u32) {
        let change = u64::from(weight).wrapping_sub(u64::from(self.weights[at]));
        self.weights[at] = weight;
        self.total = self.total.wrapping_add(change);
        let mut at = at;
        for level in &mut self.sums {
            at /= FANOUT;
            level[at] = level[at].wrapping_add(change);
        }
    }

    /// The last weight moves to `at`.
    pub(super) fn swap_remove(&mut self, at: usize) {
        let last = self.weights.len() - 1;
        let moved = self.weights[last];
        self.set(last, 0);
        if at != last {
            self.set(at, moved);
        }
        self.weights.pop();
        let mut below = self.weights.len();
        for level in 0..self.sums.len() {
            if below <= FANOUT {
                self.sums.truncate(level);
                break;
            }
            below = below.div_ceil(FANOUT);
            self.sums[level].truncate(below);
        }
    }

    /// The position at which the running sum of weights exceeds `share`, which is below the total.
    pub(super) fn find(&self, mut share: u64) -> usize {
        let mut at = 0;
        for level in self.sums.iter().rev() {
            at = walk(level, at * FANOUT, &mut share);
        }
        walk(&self.weights, at * FANOUT, &mut share)
    }
}

/// Always looks at all children: what a branch saves it loses again by being guessed wrong.
fn walk<T: Copy + Into<u64>>(level: &[T], start: usize, share: &mut u64) -> usize {
    let children = &level[start..level.len().min(start + FANOUT)];
    let (mut sum, mut at, mut before) = (0, 0, 0);
    for child in &children[..children.len() - 1] {
        sum += (*child).into();
        let beyond = *share >= sum;
        at += usize::from(beyond);
        before = if beyond { sum } else { before };
    }
    *share -= before;
    start + at
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::Rng;

    #[test]
    fn every_share_finds_the_weight_it_falls_in_while_the_row_grows_and_shrinks() {
        let mut rng = Rng::new(5);
        let (mut tree, mut model) = (SumTree::default(), Vec::<u32>::new());
        for step in 0..6000 {
            let grow = if step < 3500 { 7 } else { 2 };
            if model.is_empty() || rng.below(10) < grow {
                let weight = rng.below(4) as u32 * rng.below(1000) as u32;
                tree.push(weight);
                model.push(weight);
            } else if rng.below(3) == 0 {
                let (at, weight) = (rng.below(model.len() as u64) as usize, rng.next_u32());
                tree.set(at, weight);
                model[at] = weight;
            } else {
                let at = rng.below(model.len() as u64) as usize;
                tree.swap_remove(at);
                model.swap_remove(at);
            }
            let total: u64 = model.iter().map(|&w| u64::from(w)).sum();
            assert_eq!(tree.total(), total);
            if total > 0 {
                let share = rng.below(total);
                let mut left = share;
                let expected = model.iter().position(|&w| {
                    let here = left < u64::from(w);
                    left = left.wrapping_sub(u64::from(w));
                    here
                });
                assert_eq!(Some(tree.find(share)), expected);
            }
        }
    }
}
