// SPDX-License-Identifier: MIT OR Apache-2.0
//! `?limit=&after=`: a part of a long list, so that nobody's question holds up the registrar.

use axum::http::StatusCode;
use daemon::admin::Problem;
use rsp_wire::PeId;

/// Which part of a pool is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// At most so many elements.
    pub(super) limit: usize,
    /// Those above this identifier.
    pub(super) after: Option<PeId>,
}

impl Page {
    /// What the query says; a limit beyond the largest page is the largest page.
    pub(super) fn of(query: &str) -> Result<Page, Problem> {
        let mut page = Page { limit: LARGEST, after: None };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("limit", number)) => page.limit = number.parse().map_err(|_| bad(parameter))?,
                Some(("after", id)) => page.after = Some(identifier(id).ok_or_else(|| bad(parameter))?),
                _ => return Err(bad(parameter)),
            }
        }
        Ok(Page { limit: page.limit.clamp(1, LARGEST), ..page })
    }
}

fn identifier(text: &str) -> Option<PeId> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.ok().map(PeId)
}

fn bad(parameter: &str) -> Problem {
    let detail =
        format!("\"{parameter}\" is not understood: ?limit=100&after=0x0000002a is, a number and a PE identifier.");
    Problem::new(StatusCode::BAD_REQUEST, "Bad query", detail)
}

/// Elements on one page: some milliseconds of the registrar's time.
const LARGEST: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_part() {
        let page = |query| Page::of(query).unwrap();
        assert_eq!(page(""), Page { limit: 1_000, after: None });
        assert_eq!(page("limit=7&after=0x0000002a"), Page { limit: 7, after: Some(PeId(42)) });
        assert_eq!(page("after=42&limit=0"), Page { limit: 1, after: Some(PeId(42)) });
        assert_eq!(page("limit=99999999").limit, 1_000);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for query in ["limit=x", "limit=-1", "after=0xfffffffff", "after=me", "limt=3"] {
            assert!(Page::of(query).is_err(), "{query}");
        }
    }
}
