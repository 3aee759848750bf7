// SPDX-License-Identifier: MIT OR Apache-2.0
//! Seeded randomness, so that a run can be repeated.

use std::time::Duration;

/// A small, fast generator (xoshiro256**). The shell seeds it from the system, a test from a number.
///
/// Not for secrets: session ids and cookie keys are drawn by the shell.
#[derive(Debug, Clone)]
pub struct Rng([u64; 4]);

impl Rng {
    /// A generator whose whole future follows from `seed`.
    pub fn new(seed: u64) -> Self {
        // SplitMix64 spreads even a small seed over the state, as the authors of xoshiro advise.
        let mut z = seed;
        Rng(std::array::from_fn(|_| {
            z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = z;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        }))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number in `0..n`; 0 if `n` is 0. The bias is below n / 2^64.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// `d` varied by up to ± `percent` %, as RFC 5352 §3.5 asks for keep-alives.
    pub fn jitter(&mut self, d: Duration, percent: u32) -> Duration {
        let micros = u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        let span = (u128::from(micros) * u128::from(percent.min(100)) / 100) as u64;
        Duration::from_micros(micros - span + self.below(2 * span + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(Rng::new(7).next_u64(), Rng::new(8).next_u64());
    }

    #[test]
    fn below_covers_its_range() {
        let mut rng = Rng::new(1);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[rng.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n > 800), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn jitter_stays_in_its_band_and_uses_it() {
        let mut rng = Rng::new(3);
        let all: Vec<_> = (0..1000).map(|_| rng.jitter(Duration::from_millis(100), 50)).collect();
        assert!(all.iter().all(|d| (Duration::from_millis(50)..=Duration::from_millis(150)).contains(d)));
        assert!(
            all.iter().any(|d| *d < Duration::from_millis(60)) && all.iter().any(|d| *d > Duration::from_millis(140))
        );
    }
}
