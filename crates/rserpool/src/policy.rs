// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pool member selection policies as applications name them.

use std::str::FromStr;

use rsp_wire::parameter::Policy as Wire;

use crate::Error;

/// How pool users are spread over a pool (RFC 5356). All PEs of a pool have the same policy, each with its own values.
/// Loads and degradations are fractions of full load, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// One after the other.
    RoundRobin,
    /// One after the other, in proportion to the weights.
    WeightedRoundRobin {
        /// Relative capacity.
        weight: u32,
    },
    /// At random.
    Random,
    /// At random, in proportion to the weights.
    WeightedRandom {
        /// Relative capacity.
        weight: u32,
    },
    /// The highest priority.
    Priority {
        /// Larger is preferred.
        priority: u32,
    },
    /// The lowest load.
    LeastUsed {
        /// Current load.
        load: f64,
    },
    /// The lowest load, where each selection counts as some load until the PE says better.
    LeastUsedDegradation {
        /// Current load.
        load: f64,
        /// Load added by a selection.
        degradation: f64,
    },
    /// The lowest load after accepting one more.
    PriorityLeastUsed {
        /// Current load.
        load: f64,
        /// Load one more would add.
        degradation: f64,
    },
    /// At random, in proportion to what is not used.
    RandomizedLeastUsed {
        /// Current load.
        load: f64,
    },
    /// RSPLIB's own: at random, in proportion to what one more would leave.
    RandomizedPriorityLeastUsed {
        /// Current load.
        load: f64,
        /// Load one more would add.
        degradation: f64,
    },
    /// RSPLIB's own: at random, in proportion to what is not used, where each selection counts.
    RandomizedLeastUsedDegradation {
        /// Current load.
        load: f64,
        /// Load added by a selection.
        degradation: f64,
    },
    /// RSPLIB's own: the lowest load after accepting one more, where each selection counts.
    PriorityLeastUsedDegradation {
        /// Current load.
        load: f64,
        /// Load one more would add.
        degradation: f64,
    },
    /// RSPLIB's own: at random, in proportion to what one more would leave, where each selection counts.
    RandomizedPriorityLeastUsedDegradation {
        /// Current load.
        load: f64,
        /// Load one more would add.
        degradation: f64,
    },
    /// RSPLIB's own: at random, in proportion to the weights, less for distant servers.
    WeightedRandomDpf {
        /// Relative capacity.
        weight: u32,
        /// How much distance counts, from 0 to 1.
        weight_dpf: f64,
    },
    /// RSPLIB's own: the lowest load, where distance counts as load.
    LeastUsedDpf {
        /// Current load.
        load: f64,
        /// Load per millisecond of distance.
        load_dpf: f64,
    },
    /// RSPLIB's own: the lowest load, where distance and each selection count as load.
    LeastUsedDegradationDpf {
        /// Current load.
        load: f64,
        /// Load added by a selection.
        degradation: f64,
        /// Load per millisecond of distance.
        load_dpf: f64,
    },
}

impl Policy {
    pub(crate) fn wire(self) -> Wire {
        let part = |fraction: f64| (fraction.clamp(0.0, 1.0) * f64::from(u32::MAX)).round() as u32;
        match self {
            Policy::RoundRobin => Wire::RoundRobin,
            Policy::WeightedRoundRobin { weight } => Wire::WeightedRoundRobin { weight },
            Policy::Random => Wire::Random,
            Policy::WeightedRandom { weight } => Wire::WeightedRandom { weight },
            Policy::Priority { priority } => Wire::Priority { priority },
            Policy::LeastUsed { load } => Wire::LeastUsed { load: part(load) },
            Policy::LeastUsedDegradation { load, degradation } => {
                Wire::LeastUsedDegradation { load: part(load), degradation: part(degradation) }
            }
            Policy::PriorityLeastUsed { load, degradation } => {
                Wire::PriorityLeastUsed { load: part(load), degradation: part(degradation) }
            }
            Policy::RandomizedLeastUsed { load } => Wire::RandomizedLeastUsed { load: part(load) },
            Policy::RandomizedPriorityLeastUsed { load, degradation } => {
                Wire::RandomizedPriorityLeastUsed { load: part(load), degradation: part(degradation) }
            }
            Policy::RandomizedLeastUsedDegradation { load, degradation } => {
                Wire::RandomizedLeastUsedDegradation { load: part(load), degradation: part(degradation) }
            }
            Policy::PriorityLeastUsedDegradation { load, degradation } => {
                Wire::PriorityLeastUsedDegradation { load: part(load), degradation: part(degradation) }
            }
            Policy::RandomizedPriorityLeastUsedDegradation { load, degradation } => {
                Wire::RandomizedPriorityLeastUsedDegradation { load: part(load), degradation: part(degradation) }
            }
            // The registrar knows the distance.
            Policy::WeightedRandomDpf { weight, weight_dpf } => {
                Wire::WeightedRandomDpf { weight, weight_dpf: part(weight_dpf), distance: 0 }
            }
            Policy::LeastUsedDpf { load, load_dpf } => {
                Wire::LeastUsedDpf { load: part(load), load_dpf: part(load_dpf), distance: 0 }
            }
            Policy::LeastUsedDegradationDpf { load, degradation, load_dpf } => Wire::LeastUsedDegradationDpf {
                load: part(load),
                degradation: part(degradation),
                load_dpf: part(load_dpf),
                distance: 0,
            },
        }
    }

    /// Its weight, or priority, if it has one.
    pub fn weight(self) -> Option<u32> {
        match self {
            Policy::WeightedRoundRobin { weight } | Policy::WeightedRandom { weight } => Some(weight),
            Policy::Priority { priority } => Some(priority),
            _ => None,
        }
    }

    /// Its load, if it has one.
    pub fn load(mut self) -> Option<f64> {
        self.load_mut().copied()
    }

    fn load_mut(&mut self) -> Option<&mut f64> {
        match self {
            Policy::LeastUsed { load }
            | Policy::LeastUsedDegradation { load, .. }
            | Policy::PriorityLeastUsed { load, .. }
            | Policy::RandomizedLeastUsed { load }
            | Policy::RandomizedPriorityLeastUsed { load, .. }
            | Policy::RandomizedLeastUsedDegradation { load, .. }
            | Policy::PriorityLeastUsedDegradation { load, .. }
            | Policy::RandomizedPriorityLeastUsedDegradation { load, .. }
            | Policy::LeastUsedDpf { load, .. }
            | Policy::LeastUsedDegradationDpf { load, .. } => Some(load),
            _ => None,
        }
    }

    /// The same policy with another weight, or priority; policies without one stay as they are.
    pub fn with_weight(self, weight: u32) -> Self {
        match self {
            Policy::WeightedRoundRobin { .. } => Policy::WeightedRoundRobin { weight },
            Policy::WeightedRandom { .. } => Policy::WeightedRandom { weight },
            Policy::Priority { .. } => Policy::Priority { priority: weight },
            Policy::WeightedRandomDpf { weight_dpf, .. } => Policy::WeightedRandomDpf { weight, weight_dpf },
            other => other,
        }
    }

    /// The same policy with another load; policies without one stay as they are.
    pub fn with_load(mut self, load: f64) -> Self {
        if let Some(own) = self.load_mut() {
            *own = load;
        }
        self
    }
}

/// The short names of RFC 5356: `rr`, `wrr`, `rand`, `wrand`, `prio`, `lu`, `lud`, `plu`, `rlu`, with weight 1, priority 0, load 0 and degradation 10 %.
impl FromStr for Policy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "rr" | "roundrobin" => Policy::RoundRobin,
            "wrr" | "weightedroundrobin" => Policy::WeightedRoundRobin { weight: 1 },
            "rand" | "random" => Policy::Random,
            "wrand" | "weightedrandom" => Policy::WeightedRandom { weight: 1 },
            "prio" | "priority" => Policy::Priority { priority: 0 },
            "lu" | "leastused" => Policy::LeastUsed { load: 0.0 },
            "lud" | "leastuseddegradation" => Policy::LeastUsedDegradation { load: 0.0, degradation: 0.1 },
            "plu" | "priorityleastused" => Policy::PriorityLeastUsed { load: 0.0, degradation: 0.1 },
            "rlu" | "randomizedleastused" => Policy::RandomizedLeastUsed { load: 0.0 },
            _ => {
                return Err(Error::Config(format!(
                    "unknown policy \"{name}\": use rr, wrr, rand, wrand, prio, lu, lud, plu or rlu"
                )));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_load_is_all_ones() {
        assert_eq!(Policy::LeastUsed { load: 1.0 }.wire(), Wire::LeastUsed { load: u32::MAX });
        assert_eq!(Policy::LeastUsed { load: -3.0 }.wire(), Wire::LeastUsed { load: 0 });
    }

    #[test]
    fn names_are_the_short_ones_of_the_rfc() {
        assert_eq!("WRR".parse::<Policy>().expect("known").with_weight(5), Policy::WeightedRoundRobin { weight: 5 });
        assert!("best".parse::<Policy>().unwrap_err().to_string().contains("use rr"));
    }
}
