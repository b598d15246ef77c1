//! Mistakes in a configuration, each with where it is.

/// Why a configuration is refused. Shown after the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The file is not TOML, has an unknown key or a value of the wrong type.
    #[error("line {line}, column {column}: {reason}")]
    File {
        /// Line of the mistake, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// An environment variable names no key or has a value of the wrong type.
    #[error("{variable}: {reason}")]
    Environment {
        /// Its name.
        variable: String,
        /// What is wrong.
        reason: String,
    },
    /// A value that cannot be, wherever it came from.
    #[error("{key}: {reason}")]
    Value {
        /// Path of the key, such as `stores[0].login`.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    pub(super) fn in_file(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self::File {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason: reason(error),
        }
    }

    pub(crate) fn value(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Value {
            key: key.into(),
            reason: reason.into(),
        }
    }
}

/// What toml says, in one line and in the words of a configuration file.
pub(super) fn reason(error: &toml::de::Error) -> String {
    error
        .message()
        .trim()
        .replace("unknown field", "unknown key")
        .replace('\n', ", ")
}
