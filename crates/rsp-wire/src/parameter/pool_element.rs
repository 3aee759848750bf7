// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pool Element parameter 0xa, RFC 5354 §3.10.

use std::fmt;

use bytes::Bytes;

use super::parameter_type::{POLICY, POOL_ELEMENT};
use super::{Policy, Protocol, Transport, UnknownParameter, UserTransport};
use crate::codec::{Cursor, EncodeError, Encoder, Parameter, Reader, Report, once, to_tlv};
use crate::{DecodeError, Decoded, PeId, ServerId};

/// Registration Life as it stands on the wire: signed, -1 = for ever. Seconds by the RFC, milliseconds in profile rsplib.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegistrationLife(pub i32);

impl RegistrationLife {
    /// Infinite lifetime.
    pub const INFINITE: RegistrationLife = RegistrationLife(-1);
}

/// A pool element and all that is known of it.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Type = 0xa            |       Length=variable         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         PE Identifier                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  Home ENRP Server Identifier                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Registration Life                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                      User Transport param                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                 Member Selection Policy param                 :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                      ASAP Transport param                     :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolElement {
    /// PE Identifier.
    pub id: PeId,
    /// Home ENRP Server Identifier, [`ServerId::NONE`] if undetermined.
    pub home: ServerId,
    /// Registration Life.
    pub life: RegistrationLife,
    /// Where pool users reach it.
    pub user_transport: UserTransport,
    /// Member Selection Policy with its values.
    pub policy: Policy,
    /// Where registrars reach it; only in REGISTRATION over the TCP mapping (ours) and in ENRP.
    pub asap_transport: Option<Transport>,
    /// What this version does not know.
    pub unknown: Vec<UnknownParameter>,
}

impl PoolElement {
    /// Reads one kept or received alone as a parameter.
    ///
    /// # Errors
    /// If `tlv` is not a sound Pool Element parameter and nothing else.
    pub fn from_tlv(tlv: &Bytes) -> Result<Decoded<Self>, DecodeError> {
        let mut cursor = Cursor::new(tlv);
        let broken = |reason| DecodeError::InvalidValues { reason, offending: tlv.clone() };
        let parameter = Parameter::read(&mut cursor).filter(|_| cursor.is_empty());
        let parameter = parameter.ok_or_else(|| broken("wrong length of a parameter"))?;
        if parameter.parameter_type != POOL_ELEMENT {
            return Err(parameter.unexpected());
        }
        let mut report = Report::new();
        PoolElement::decode(&parameter, &mut report).map(|message| Decoded { message, report })
    }

    //= https://www.rfc-editor.org/rfc/rfc5354#section-3.10
    //# A PE MUST have one
    //# and only one User Transport.
    pub(crate) fn decode(parameter: &Parameter<'_>, report: &mut Report) -> Result<Self, DecodeError> {
        let mut reader = Reader::parameter(parameter, report);
        let id = PeId(reader.u32()?);
        let home = ServerId(reader.u32()?);
        let life = RegistrationLife(reader.u32()?.cast_signed());
        let (mut user_transport, mut policy, mut asap_transport) = (None, None, None);
        while let Some(nested) = reader.next()? {
            match nested.parameter_type {
                POLICY => once(&mut policy, Policy::decode(&nested)?, &nested)?,
                transport if UserTransport::is_one(transport) => {
                    let transport = UserTransport::decode(&nested, reader.report())?;
                    match transport {
                        _ if user_transport.is_none() => user_transport = Some(transport),
                        UserTransport::Ip(t) if matches!(t.protocol, Protocol::Sctp | Protocol::Tcp) => {
                            once(&mut asap_transport, t, &nested)?;
                        }
                        _ => return Err(nested.unexpected()),
                    }
                }
                _ => reader.other(nested)?,
            }
        }
        let user_transport = reader.required(user_transport, "User Transport")?;
        let policy = reader.required(policy, "Pool Member Selection Policy")?;
        Ok(PoolElement { id, home, life, user_transport, policy, asap_transport, unknown: reader.unknown })
    }

    /// Appends it as a parameter: user transport, policy, ASAP transport, as RSPLIB needs the order.
    ///
    /// # Errors
    /// If it does not fit 16 bits of length.
    pub fn encode(&self, out: &mut Encoder<'_>) -> Result<(), EncodeError> {
        out.parameter(POOL_ELEMENT, |out| {
            out.u32(self.id.0);
            out.u32(self.home.0);
            out.u32(self.life.0.cast_unsigned());
            self.user_transport.encode(out)?;
            self.policy.encode(out)?;
            if let Some(transport) = &self.asap_transport {
                transport.encode(out)?;
            }
            UnknownParameter::encode_all(&self.unknown, out)
        })
    }

    /// A copy with its own memory, to keep beyond the message it came in. Most elements have nothing to copy.
    pub fn detach(mut self) -> Self {
        if let UserTransport::Opaque(data) = &mut self.user_transport {
            *data = Bytes::copy_from_slice(data);
        }
        if let Policy::Other { data, .. } = &mut self.policy {
            *data = Bytes::copy_from_slice(data);
        }
        for unknown in &mut self.unknown {
            unknown.value = Bytes::copy_from_slice(&unknown.value);
        }
        self
    }

    /// It alone as a parameter, without the padding after it: to be kept, and sent with [`Encoder::tlv`].
    ///
    /// # Errors
    /// As [`PoolElement::encode`].
    pub fn to_tlv(&self) -> Result<Bytes, EncodeError> {
        to_tlv(|out| self.encode(out))
    }
}

/// `PE 0xaaaa0001 at SCTP 192.0.2.2:7007 data, RR, life 12000, home 0x11111111`
impl fmt::Display for PoolElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PE {} at {}, {}, life {}", self.id, self.user_transport, self.policy, self.life)?;
        if self.home != ServerId::NONE {
            write!(f, ", home {}", self.home)?;
        }
        if let Some(transport) = &self.asap_transport {
            write!(f, ", ASAP at {transport}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RegistrationLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            RegistrationLife::INFINITE => f.write_str("infinite"),
            RegistrationLife(life) => write!(f, "{life}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hex, parameter_of, to_hex};

    const FROM_RSPLIB: &str = "000a 0050 aaaa0001 11111111 00015f90
        0004 0010 1b5f 0001 0001 0008 c0000202
        0008 0008 00000001
        0004 0028 b5a6 0000 0001 0008 c0000201 0001 0008 c0000202 0001 0008 c0000203 0001 0008 c0000204";

    fn decode(bytes: &str) -> Result<PoolElement, DecodeError> {
        parameter_of(bytes, |p, report| PoolElement::decode(&p, report))
    }

    #[test]
    fn a_pool_element_is_read_from_rsplibs_bytes_and_written_the_same() {
        let element = decode(FROM_RSPLIB).expect("it is sound");
        assert_eq!((element.id, element.home), (PeId(0xaaaa_0001), ServerId(0x1111_1111)));
        assert_eq!((element.life, &element.policy), (RegistrationLife(90_000), &Policy::RoundRobin));
        assert_eq!(
            element.to_string(),
            "PE 0xaaaa0001 at SCTP 192.0.2.2:7007 data+control, RR, life 90000, home 0x11111111, \
             ASAP at SCTP 192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4:46502 data"
        );
        assert_eq!(element.to_tlv().expect("it is short"), hex(FROM_RSPLIB));
    }

    #[test]
    fn an_infinite_life_and_unknown_parameters_go_round() {
        let bytes = "000a 0039 00000007 00000000 ffffffff
            0005 0010 1b5f 0001 0001 0008 7f000001  0008 000c 00000002 00000007  8099 0005 61 000000 c099 0005 62";
        let decoded = PoolElement::from_tlv(&hex(bytes)).expect("it is sound");
        assert_eq!(decoded.message.life, RegistrationLife::INFINITE);
        assert_eq!(decoded.message.unknown.len(), 2);
        assert_eq!(to_hex(&decoded.report[0]), "c099000562");
        assert_eq!(decoded.message.to_tlv().expect("it is short"), hex(bytes));
    }

    #[test]
    fn a_detached_element_is_equal_and_lets_its_message_go() {
        let message = hex(
            "000a 002c 00000007 00000000 ffffffff 0010 0005 61 000000 0008 000c 12345678 61626364 8099 0008 65666768",
        );
        let message = Bytes::from(message.to_vec());
        let element = PoolElement::from_tlv(&message).expect("it is sound").message;
        assert!(!message.is_unique());
        let detached = element.clone().detach();
        assert_eq!(detached, element);
        drop(element);
        assert!(message.is_unique());
    }

    #[test]
    fn the_parts_of_a_pool_element_stand_once_and_are_all_there() {
        let fixed = "00000007 00000000 ffffffff";
        let transport = "0005 0010 1b5f 0001 0001 0008 7f000001";
        let policy = "0008 0008 00000001";
        for (length, parts) in [
            ("0020", transport.to_owned()),
            ("0018", policy.to_owned()),
            ("0030", format!("{transport}{policy}{policy}")),
            ("0048", format!("{transport}{policy}{transport}{transport}")),
            ("0038", format!("{transport}{policy}0006 0010 1b5f 0001 0001 0008 7f000001")),
            ("0030", format!("{transport}{policy}0009 0005 61 000000")),
        ] {
            assert!(decode(&format!("000a {length} {fixed}{parts}")).is_err(), "{parts}");
        }
        assert!(decode("000a 000f 00000007 00000000 ffffff 00").is_err(), "too short for the life");
        assert!(PoolElement::from_tlv(&hex("0008 0008 00000001")).is_err(), "a policy is no pool element");
    }
}
