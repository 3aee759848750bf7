// SPDX-License-Identifier: MIT OR Apache-2.0
//! CRC32c, the checksum of SCTP packets (RFC 9260 appendix A).

/// The checksum of a packet whose checksum field is taken as zero, as it stands in the packet (little-endian bytes).
pub(super) fn of_sctp_packet(packet: &[u8]) -> Option<[u8; 4]> {
    let (ports_and_tag, rest) = packet.split_first_chunk::<8>()?;
    let (_, chunks) = rest.split_first_chunk::<4>()?;
    Some((!update(update(update(!0, ports_and_tag), &[0; 4]), chunks)).to_le_bytes())
}

fn update(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

const TABLE: [u32; 256] = {
    /// The Castagnoli polynomial 0x1edc6f41, bits reversed.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_castagnoli_crc_comes_out() {
        assert_eq!(!update(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn what_is_shorter_than_an_sctp_header_has_no_checksum() {
        assert_eq!(of_sctp_packet(&[0; 11]), None);
    }
}
