// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the value of a message or of a parameter: fixed fields first, then parameters, RFC 5354 §3.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Cursor, HEADER_LENGTH, Header, padding};
use crate::DecodeError;
use crate::parameter::{UnknownParameter, parameter_type};

/// Unknown parameters to be reported to the sender, complete with type and length.
pub(crate) type Report = SmallVec<[Bytes; 0]>;

/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Parameter Type       |       Parameter Length        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                       Parameter Value                         :
/// :                               +-------------------------------:
/// :                               |        Padding                :
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter<'a> {
    pub(crate) parameter_type: u16,
    /// Type, length and value, without padding.
    pub(crate) tlv: Cursor<'a>,
    pub(crate) value: Cursor<'a>,
}

impl<'a> Parameter<'a> {
    /// The next parameter and its padding, or `None` if its length is below 4 or goes beyond `cursor`.
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut header = *cursor;
        let parameter_type = header.u16()?;
        let length = usize::from(header.u16()?);
        let tlv = cursor.take(length)?;
        let value = header.take(length.checked_sub(HEADER_LENGTH)?)?;
        cursor.skip_up_to(padding(length));
        Some(Parameter { parameter_type, tlv, value })
    }

    /// The error for a parameter that cannot be used.
    pub(crate) fn invalid(&self, reason: &'static str) -> DecodeError {
        DecodeError::InvalidValues { reason, offending: self.tlv.to_bytes() }
    }

    /// The error for a parameter where it does not belong.
    pub(crate) fn unexpected(&self) -> DecodeError {
        self.invalid("parameter does not belong here")
    }
}

/// Where decoding stands in a message or parameter, and what it has met that it does not know.
#[derive(Debug)]
pub(crate) struct Reader<'a, 'r> {
    value: Cursor<'a>,
    /// What the fields are part of: the complete message or parameter.
    enclosing: Cursor<'a>,
    report: &'r mut Report,
    /// Unknown parameters that were skipped.
    pub(crate) unknown: Vec<UnknownParameter>,
}

impl<'a, 'r> Reader<'a, 'r> {
    /// Reads a message's value.
    pub(crate) fn message(header: &Header<'a>, report: &'r mut Report) -> Self {
        Reader { value: header.value, enclosing: header.message, report, unknown: Vec::new() }
    }

    /// Reads a parameter's value.
    pub(crate) fn parameter(parameter: &Parameter<'a>, report: &'r mut Report) -> Self {
        Reader { value: parameter.value, enclosing: parameter.tlv, report, unknown: Vec::new() }
    }

    /// A fixed field of 16 bits.
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.value.u16().ok_or_else(|| self.invalid("too short for its fields"))
    }

    /// A fixed field of 32 bits.
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.value.u32().ok_or_else(|| self.invalid("too short for its fields"))
    }

    /// The next parameter.
    pub(crate) fn next(&mut self) -> Result<Option<Parameter<'a>>, DecodeError> {
        if self.value.is_empty() {
            return Ok(None);
        }
        match Parameter::read(&mut self.value) {
            Some(parameter) => Ok(Some(parameter)),
            None => Err(self.invalid("length of a parameter in it is wrong")),
        }
    }

    /// Where the parameters nested in one of these report what they do not know.
    pub(crate) fn report(&mut self) -> &mut Report {
        self.report
    }

    /// Takes a parameter the caller has no use for: known but misplaced is an error, unknown is treated as its two highest
    /// bits ask for.
    //= https://www.rfc-editor.org/rfc/rfc5354#section-3
    //# The Parameter Types are encoded such that the two bits of the
    //# highest-order specify the action that must be taken if the
    //# processing endpoint does not recognize the Parameter Type.
    pub(crate) fn other(&mut self, parameter: Parameter<'a>) -> Result<(), DecodeError> {
        let Parameter { parameter_type, tlv, value } = parameter;
        if parameter_type::is_common(parameter_type) {
            return Err(parameter.unexpected());
        }
        match parameter_type >> 14 {
            0b00 => return Err(DecodeError::DiscardParameter { parameter: tlv.to_bytes() }),
            0b01 => return Err(DecodeError::UnrecognizedParameter { parameter: tlv.to_bytes() }),
            0b10 => {}
            _ => self.report.push(tlv.to_bytes()),
        }
        self.unknown.push(UnknownParameter { parameter_type, value: value.to_bytes() });
        Ok(())
    }

    /// Takes all parameters that are left, where the message has none.
    pub(crate) fn others(&mut self) -> Result<(), DecodeError> {
        while let Some(parameter) = self.next()? {
            self.other(parameter)?;
        }
        Ok(())
    }

    /// The mandatory parameter `found`, or the error that `what` is missing.
    pub(crate) fn required<T>(&self, found: Option<T>, what: &'static str) -> Result<T, DecodeError> {
        found.ok_or_else(|| DecodeError::Missing { what, enclosing: self.enclosing.to_bytes() })
    }

    /// The error for fields that contradict each other.
    pub(crate) fn invalid(&self, reason: &'static str) -> DecodeError {
        DecodeError::InvalidValues { reason, offending: self.enclosing.to_bytes() }
    }
}

/// Keeps a parameter that may stand only once.
pub(crate) fn once<T>(slot: &mut Option<T>, value: T, parameter: &Parameter<'_>) -> Result<(), DecodeError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(parameter.invalid("parameter may stand only once")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &'static [u8]) -> (Result<(), DecodeError>, Vec<UnknownParameter>, Report) {
        let bytes = Bytes::from_static(bytes);
        let header = Header::decode(&bytes).expect("the header is right");
        let mut report = Report::new();
        let mut reader = Reader::message(&header, &mut report);
        let mut all = || {
            while let Some(parameter) = reader.next()? {
                reader.other(parameter)?;
            }
            Ok(())
        };
        let result = all();
        (result, std::mem::take(&mut reader.unknown), report)
    }

    #[test]
    fn the_two_highest_bits_say_what_happens_to_an_unknown_parameter() {
        let (result, unknown, report) = read(b"\x0e\0\0\x18\x80\x99\0\x05a\0\0\0\xc0\x99\0\x06bc\0\0\x80\x01\0\x04");
        assert_eq!(result, Ok(()));
        assert_eq!(
            unknown.iter().map(|u| (u.parameter_type, &u.value[..])).collect::<Vec<_>>(),
            [(0x8099, &b"a"[..]), (0xc099, b"bc"), (0x8001, b"")]
        );
        assert_eq!(report[..], [Bytes::from_static(b"\xc0\x99\0\x06bc")]);

        let parameter = Bytes::from_static(b"\0\x99\0\x04");
        assert_eq!(read(b"\x0e\0\0\x08\0\x99\0\x04").0, Err(DecodeError::DiscardParameter { parameter }));
        let parameter = Bytes::from_static(b"\x40\x99\0\x05a");
        assert_eq!(read(b"\x0e\0\0\x0c\x40\x99\0\x05a\0\0\0").0, Err(DecodeError::UnrecognizedParameter { parameter }));
    }

    #[test]
    fn a_parameter_length_that_lies_is_refused() {
        for bytes in [
            &b"\x0e\0\0\x08\x80\x99\0\x03"[..],
            b"\x0e\0\0\x08\x80\x99\0\x05",
            b"\x0e\0\0\x06\x80\x99",
            b"\x0e\0\0\x08\x80\x99\xff\xff",
        ] {
            assert!(matches!(read(bytes).0, Err(DecodeError::InvalidValues { .. })), "{bytes:?}");
        }
    }
}
