// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Pool Handle and a PE Identifier, and in responses an Operation Error: all there is in five messages.

use std::fmt;

use crate::codec::{EncodeError, Encoder, Reader, once};
use crate::parameter::parameter_type::{OPERATION_ERROR, PE_IDENTIFIER, POOL_HANDLE};
use crate::parameter::{OperationError, UnknownParameter, pe_identifier};
use crate::{DecodeError, PeId, PoolHandle};

pub(super) struct PeReference {
    pub(super) pool_handle: PoolHandle,
    pub(super) pe_id: PeId,
    pub(super) error: Option<OperationError>,
    pub(super) unknown: Vec<UnknownParameter>,
}

/// Reads the parameters; an error belongs there only if `is_response`.
pub(super) fn decode(mut reader: Reader<'_, '_>, is_response: bool) -> Result<PeReference, DecodeError> {
    let (mut pool_handle, mut pe_id, mut error) = (None, None, None);
    while let Some(parameter) = reader.next()? {
        match parameter.parameter_type {
            POOL_HANDLE => once(&mut pool_handle, PoolHandle::decode(&parameter)?, &parameter)?,
            PE_IDENTIFIER => once(&mut pe_id, pe_identifier::decode(&parameter)?, &parameter)?,
            OPERATION_ERROR if is_response => once(&mut error, OperationError::decode(&parameter)?, &parameter)?,
            _ => reader.other(parameter)?,
        }
    }
    let pool_handle = reader.required(pool_handle, "Pool Handle")?;
    let pe_id = reader.required(pe_id, "PE Identifier")?;
    Ok(PeReference { pool_handle, pe_id, error, unknown: reader.unknown })
}

pub(super) fn encode(
    pool_handle: &PoolHandle,
    pe_id: PeId,
    error: Option<&OperationError>,
    unknown: &[UnknownParameter],
    out: &mut Encoder<'_>,
) -> Result<(), EncodeError> {
    pool_handle.encode(out)?;
    pe_identifier::encode(pe_id, out)?;
    if let Some(error) = error {
        error.encode(out)?;
    }
    UnknownParameter::encode_all(unknown, out)
}

pub(super) fn fmt_error(error: Option<&OperationError>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        Some(error) => write!(f, ": {error}"),
        None => Ok(()),
    }
}
