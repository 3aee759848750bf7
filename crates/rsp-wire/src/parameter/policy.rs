// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pool Member Selection Policy parameter 0x8, RFC 5354 §3.8, RFC 5356, and the private policies RSPLIB puts on the wire.

use std::fmt;

use bytes::Bytes;

use super::parameter_type::POLICY;
use crate::DecodeError;
use crate::codec::{EncodeError, Encoder, Parameter, to_tlv};

/// A policy with this PE's values. Loads and degradations are fractions of 2^32 - 1 (0xffffffff = 100 %, RFC 5356 §3.1).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |        Type = 0x8             |      Length = variable        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Policy Type                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     Policy-specific Data                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
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

impl Policy {
    pub(crate) fn decode(parameter: &Parameter<'_>) -> Result<Self, DecodeError> {
        let mut value = parameter.value;
        let too_short = || parameter.invalid("policy without its policy type");
        let policy_type = value.u32().ok_or_else(too_short)?;
        let data = value;
        let mut field = || value.u32().ok_or_else(|| parameter.invalid("policy too short for its fields"));
        let policy = match policy_type {
            0x0000_0001 => Policy::RoundRobin,
            0x0000_0002 => Policy::WeightedRoundRobin { weight: field()? },
            0x0000_0003 => Policy::Random,
            0x0000_0004 => Policy::WeightedRandom { weight: field()? },
            0x0000_0005 => Policy::Priority { priority: field()? },
            0x4000_0001 => Policy::LeastUsed { load: field()? },
            0x4000_0002 => Policy::LeastUsedDegradation { load: field()?, degradation: field()? },
            0x4000_0003 => Policy::PriorityLeastUsed { load: field()?, degradation: field()? },
            0x4000_0004 => Policy::RandomizedLeastUsed { load: field()? },
            0xb000_1001 => Policy::RandomizedPriorityLeastUsed { load: field()?, degradation: field()? },
            0xb000_1002 => Policy::RandomizedLeastUsedDegradation { load: field()?, degradation: field()? },
            0xb000_1003 => Policy::PriorityLeastUsedDegradation { load: field()?, degradation: field()? },
            0xb000_1004 => Policy::RandomizedPriorityLeastUsedDegradation { load: field()?, degradation: field()? },
            0xb000_2001 => Policy::WeightedRandomDpf { weight: field()?, weight_dpf: field()?, distance: field()? },
            0xb000_2002 => Policy::LeastUsedDpf { load: field()?, load_dpf: field()?, distance: field()? },
            0xb000_2003 => Policy::LeastUsedDegradationDpf {
                load: field()?,
                degradation: field()?,
                load_dpf: field()?,
                distance: field()?,
            },
            _ => return Ok(Policy::Other { policy_type, data: data.to_bytes() }),
        };
        if value.is_empty() { Ok(policy) } else { Err(parameter.invalid("policy too long for its fields")) }
    }

    /// Appends it as a parameter.
    ///
    /// # Errors
    /// If [`Policy::Other`] has more data than 16 bits of length hold.
    pub fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.parameter(POLICY, |out| {
            out.u32(self.policy_type());
            self.fields(|_, value| out.u32(value));
            if let Policy::Other { data, .. } = self {
                out.bytes(data);
            }
            Ok(())
        })
    }

    /// It alone as a parameter, without the padding after it.
    ///
    /// # Errors
    /// As [`Policy::encode`].
    pub fn to_tlv(&self) -> Result<Bytes, EncodeError> {
        to_tlv(|out| self.encode(out))
    }

    /// Policy Type.
    pub const fn policy_type(&self) -> u32 {
        match self {
            Policy::RoundRobin => 0x0000_0001,
            Policy::WeightedRoundRobin { .. } => 0x0000_0002,
            Policy::Random => 0x0000_0003,
            Policy::WeightedRandom { .. } => 0x0000_0004,
            Policy::Priority { .. } => 0x0000_0005,
            Policy::LeastUsed { .. } => 0x4000_0001,
            Policy::LeastUsedDegradation { .. } => 0x4000_0002,
            Policy::PriorityLeastUsed { .. } => 0x4000_0003,
            Policy::RandomizedLeastUsed { .. } => 0x4000_0004,
            Policy::RandomizedPriorityLeastUsed { .. } => 0xb000_1001,
            Policy::RandomizedLeastUsedDegradation { .. } => 0xb000_1002,
            Policy::PriorityLeastUsedDegradation { .. } => 0xb000_1003,
            Policy::RandomizedPriorityLeastUsedDegradation { .. } => 0xb000_1004,
            Policy::WeightedRandomDpf { .. } => 0xb000_2001,
            Policy::LeastUsedDpf { .. } => 0xb000_2002,
            Policy::LeastUsedDegradationDpf { .. } => 0xb000_2003,
            Policy::Other { policy_type, .. } => *policy_type,
        }
    }

    /// Its values in the order of the wire, with their names in snake_case.
    pub fn fields(&self, mut each: impl FnMut(&'static str, u32)) {
        match *self {
            Policy::RoundRobin | Policy::Random | Policy::Other { .. } => {}
            Policy::WeightedRoundRobin { weight } | Policy::WeightedRandom { weight } => each("weight", weight),
            Policy::Priority { priority } => each("priority", priority),
            Policy::LeastUsed { load } | Policy::RandomizedLeastUsed { load } => each("load", load),
            Policy::LeastUsedDegradation { load, degradation }
            | Policy::PriorityLeastUsed { load, degradation }
            | Policy::RandomizedPriorityLeastUsed { load, degradation }
            | Policy::RandomizedLeastUsedDegradation { load, degradation }
            | Policy::PriorityLeastUsedDegradation { load, degradation }
            | Policy::RandomizedPriorityLeastUsedDegradation { load, degradation } => {
                each("load", load);
                each("load_degradation", degradation);
            }
            Policy::WeightedRandomDpf { weight, weight_dpf, distance } => {
                each("weight", weight);
                each("weight_dpf", weight_dpf);
                each("distance", distance);
            }
            Policy::LeastUsedDpf { load, load_dpf, distance } => {
                each("load", load);
                each("load_dpf", load_dpf);
                each("distance", distance);
            }
            Policy::LeastUsedDegradationDpf { load, degradation, load_dpf, distance } => {
                each("load", load);
                each("load_degradation", degradation);
                each("load_dpf", load_dpf);
                each("distance", distance);
            }
        }
    }

    /// Whether the PE reports a load that changes while it works (RFC 5356 §5, and RSPLIB's policies that carry one).
    pub const fn is_adaptive(&self) -> bool {
        Policy::is_adaptive_type(self.policy_type())
    }

    /// As [`Policy::is_adaptive`], by the Policy Type alone.
    pub const fn is_adaptive_type(policy_type: u32) -> bool {
        policy_type & 0xc000_0000 == 0x4000_0000
            || matches!(policy_type, 0xb000_1001..=0xb000_1004 | 0xb000_2002 | 0xb000_2003)
    }

    /// The Distance of a policy with a distance penalty factor: registrars fill it in.
    pub fn distance_mut(&mut self) -> Option<&mut u32> {
        match self {
            Policy::WeightedRandomDpf { distance, .. }
            | Policy::LeastUsedDpf { distance, .. }
            | Policy::LeastUsedDegradationDpf { distance, .. } => Some(distance),
            _ => None,
        }
    }

    /// Whether a policy of this type has a Distance.
    pub const fn has_distance(policy_type: u32) -> bool {
        matches!(policy_type, 0xb000_2001..=0xb000_2003)
    }

    /// The name in RFC 5356 or RSPLIB, as one word: `WeightedRoundRobin`. `Other` if the type is unknown.
    pub const fn name(&self) -> &'static str {
        match self {
            Policy::RoundRobin => "RoundRobin",
            Policy::WeightedRoundRobin { .. } => "WeightedRoundRobin",
            Policy::Random => "Random",
            Policy::WeightedRandom { .. } => "WeightedRandom",
            Policy::Priority { .. } => "Priority",
            Policy::LeastUsed { .. } => "LeastUsed",
            Policy::LeastUsedDegradation { .. } => "LeastUsedDegradation",
            Policy::PriorityLeastUsed { .. } => "PriorityLeastUsed",
            Policy::RandomizedLeastUsed { .. } => "RandomizedLeastUsed",
            Policy::RandomizedPriorityLeastUsed { .. } => "RandomizedPriorityLeastUsed",
            Policy::RandomizedLeastUsedDegradation { .. } => "RandomizedLeastUsedDegradation",
            Policy::PriorityLeastUsedDegradation { .. } => "PriorityLeastUsedDegradation",
            Policy::RandomizedPriorityLeastUsedDegradation { .. } => "RandomizedPriorityLeastUsedDegradation",
            Policy::WeightedRandomDpf { .. } => "WeightedRandomDPF",
            Policy::LeastUsedDpf { .. } => "LeastUsedDPF",
            Policy::LeastUsedDegradationDpf { .. } => "LeastUsedDegradationDPF",
            Policy::Other { .. } => "Other",
        }
    }

    /// The abbreviation: `WRR`.
    pub const fn short_name(&self) -> &'static str {
        match self {
            Policy::RoundRobin => "RR",
            Policy::WeightedRoundRobin { .. } => "WRR",
            Policy::Random => "RAND",
            Policy::WeightedRandom { .. } => "WRAND",
            Policy::Priority { .. } => "PRIO",
            Policy::LeastUsed { .. } => "LU",
            Policy::LeastUsedDegradation { .. } => "LUD",
            Policy::PriorityLeastUsed { .. } => "PLU",
            Policy::RandomizedLeastUsed { .. } => "RLU",
            Policy::RandomizedPriorityLeastUsed { .. } => "RPLU",
            Policy::RandomizedLeastUsedDegradation { .. } => "RLUD",
            Policy::PriorityLeastUsedDegradation { .. } => "PLUD",
            Policy::RandomizedPriorityLeastUsedDegradation { .. } => "RPLUD",
            Policy::WeightedRandomDpf { .. } => "WRAND-DPF",
            Policy::LeastUsedDpf { .. } => "LU-DPF",
            Policy::LeastUsedDegradationDpf { .. } => "LUD-DPF",
            Policy::Other { .. } => "other",
        }
    }
}

/// `WRR weight=7`; loads as a part of 1: `LUD load=0.000 load_degradation=0.200`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Other { policy_type, .. } => return write!(f, "policy {policy_type:#010x}"),
            known => f.write_str(known.short_name())?,
        }
        let mut result = Ok(());
        self.fields(|name, value| {
            result = result.and_then(|()| match name {
                "weight" | "priority" | "distance" => write!(f, " {name}={value}"),
                _ => write!(f, " {name}={:.3}", f64::from(value) / f64::from(u32::MAX)),
            });
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{parameter_of, tlv};

    fn decode(bytes: &str) -> Result<Policy, DecodeError> {
        parameter_of(bytes, |p, _| Policy::decode(&p))
    }

    #[test]
    fn rsplibs_policies_are_read_from_its_bytes_and_written_the_same() {
        for (bytes, shown) in [
            ("0008000800000001", "RR"),
            ("0008000c0000000200000007", "WRR weight=7"),
            ("00080010400000020000000033333333", "LUD load=0.000 load_degradation=0.200"),
            ("00080014b0002001000000034000000000000000", "WRAND-DPF weight=3 weight_dpf=0.250 distance=0"),
            (
                "00080018b00020030000000040000000bfffffff00000000",
                "LUD-DPF load=0.000 load_degradation=0.250 load_dpf=0.750 distance=0",
            ),
        ] {
            let policy = decode(bytes).expect("it is sound");
            assert_eq!(policy.to_string(), shown);
            assert_eq!(tlv(|out| policy.encode(out)), bytes);
        }
    }

    #[test]
    fn an_unknown_policy_type_keeps_its_data() {
        let bytes = "0008000b12345678616263";
        let policy = decode(bytes).expect("it is sound");
        assert_eq!(policy, Policy::Other { policy_type: 0x1234_5678, data: Bytes::from_static(b"abc") });
        assert_eq!(tlv(|out| policy.encode(out)), bytes);
    }

    #[test]
    fn a_policy_of_the_wrong_length_is_refused() {
        for bytes in [
            "0008 0004",
            "0008 0007 000000 00",
            "0008 0008 00000002",
            "0008 000b 00000002 000000 00",
            "0008 000c 00000001 00000000",
        ] {
            assert!(decode(bytes).is_err(), "{bytes}");
        }
    }

    #[test]
    fn policies_with_a_load_are_adaptive() {
        assert!(!Policy::RoundRobin.is_adaptive());
        assert!(Policy::LeastUsed { load: 0 }.is_adaptive());
        assert!(Policy::RandomizedPriorityLeastUsed { load: 0, degradation: 0 }.is_adaptive());
        assert!(!Policy::WeightedRandomDpf { weight: 1, weight_dpf: 0, distance: 0 }.is_adaptive());
        assert!(Policy::Other { policy_type: 0x4000_0010, data: Bytes::new() }.is_adaptive());
        assert!(!Policy::Other { policy_type: 0xb000_2004, data: Bytes::new() }.is_adaptive());
    }
}
