// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pool Member Selection Policy parameter 0x8, RFC 5354 §3.8, RFC 5356, and the private policies RSPLIB puts on the wire.

use bytes::Bytes;

/// A policy with this PE's values. Loads and degradations are fractions of 2^32 - 1 (0xffffffff = 100 %, RFC 5356 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Policy {
    /// RR 0x00000001
    RoundRobin,
    /// WRR 0x00000002
    WeightedRoundRobin {
        /// Relative capacity.
        weight: u32,
    },
    /// RAND 0x00000003
    Random,
    /// WRAND 0x00000004
    WeightedRandom {
        /// Relative capacity.
        weight: u32,
    },
    /// PRIO 0x00000005
    Priority {
        /// Larger is preferred.
        priority: u32,
    },
    /// LU 0x40000001
    LeastUsed {
        /// Current load.
        load: u32,
    },
    /// LUD 0x40000002
    LeastUsedDegradation {
        /// Current load.
        load: u32,
        /// Load added by each selection.
        degradation: u32,
    },
    /// PLU 0x40000003
    PriorityLeastUsed {
        /// Current load.
        load: u32,
        /// Load a new session would add.
        degradation: u32,
    },
    /// RLU 0x40000004
    RandomizedLeastUsed {
        /// Current load.
        load: u32,
    },
    /// RPLU 0xb0001001 (RSPLIB)
    RandomizedPriorityLeastUsed {
        /// Current load.
        load: u32,
        /// Load a new session would add.
        degradation: u32,
    },
    /// RLUD 0xb0001002 (RSPLIB)
    RandomizedLeastUsedDegradation {
        /// Current load.
        load: u32,
        /// Load added by each selection.
        degradation: u32,
    },
    /// PLUD 0xb0001003 (RSPLIB)
    PriorityLeastUsedDegradation {
        /// Current load.
        load: u32,
        /// Load a new session would add.
        degradation: u32,
    },
    /// RPLUD 0xb0001004 (RSPLIB)
    RandomizedPriorityLeastUsedDegradation {
        /// Current load.
        load: u32,
        /// Load a new session would add.
        degradation: u32,
    },
    /// WRAND-DPF 0xb0002001 (RSPLIB)
    WeightedRandomDpf {
        /// Relative capacity.
        weight: u32,
        /// Weight of the distance penalty.
        weight_dpf: u32,
        /// Distance in milliseconds.
        distance: u32,
    },
    /// LU-DPF 0xb0002002 (RSPLIB, draft-dreibholz-rserpool-delay)
    LeastUsedDpf {
        /// Current load.
        load: u32,
        /// Load per millisecond of distance.
        load_dpf: u32,
        /// Distance in milliseconds.
        distance: u32,
    },
    /// LUD-DPF 0xb0002003 (RSPLIB)
    LeastUsedDegradationDpf {
        /// Current load.
        load: u32,
        /// Load added by each selection.
        degradation: u32,
        /// Load per millisecond of distance.
        load_dpf: u32,
        /// Distance in milliseconds.
        distance: u32,
    },
    /// Any other policy type, carried as it came.
    Other {
        /// Policy Type.
        policy_type: u32,
        /// Policy-specific Data.
        data: Bytes,
    },
}
