// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors over HTTP, RFC 9457: `application/problem+json`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What went wrong and what to do.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(serialize_with = "code")]
    status: StatusCode,
    title: &'static str,
    detail: String,
}

impl Problem {
    /// `title` is the same for all of its kind, `detail` says what to do about this one.
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Problem { status, title, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).expect("numbers and strings always become JSON");
        (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

fn code<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}
