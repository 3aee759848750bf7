// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with the configuration.

use std::io;
use std::path::PathBuf;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, NamedSource, SourceSpan};
use thiserror::Error;

/// A mistake in the configuration, with its place and the remedy.
#[derive(Debug, Error, Diagnostic)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the config file {}: {error}", path.display())]
    #[diagnostic(help("name another with --config, or make it readable"))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something in the file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    InFile(Box<InFile>),
    /// An environment variable or a flag.
    #[error("{from}: {what}")]
    Setting {
        /// Which.
        from: String,
        /// What is wrong with it and what would be right.
        what: String,
    },
}

/// A mistake in a file.
#[derive(Debug, Error, Diagnostic)]
#[error("{place}: {what}")]
pub struct InFile {
    /// File and line.
    pub(super) place: String,
    /// The key, or what is wrong with it.
    pub(super) what: String,
    /// Stands at the place.
    pub(super) label: String,
    #[source_code]
    pub(super) source_code: NamedSource<String>,
    #[label("{label}")]
    pub(super) span: SourceSpan,
    /// The remedy.
    #[help]
    pub(super) help: String,
}

impl ConfigError {
    /// As an operator sees it: the message, the line with an arrow, the remedy.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Unwrapped, so that names in it can be searched for and copied.
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
        match handler.with_wrap_lines(false).with_context_lines(1).render_report(&mut text, self) {
            Ok(()) => text,
            Err(_) => self.to_string(),
        }
    }
}
