//! Exit codes.

use std::process::ExitCode;

use twinfs::ErrorKind;

/// An exit code that `--help` and the manual name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u8);

pub(crate) const SUCCESS: Code = Code(0);
pub(crate) const FAILURE: Code = Code(1);
pub(crate) const USAGE: Code = Code(2);
const NOT_FOUND: Code = Code(3);
const PERMISSION: Code = Code(4);
const CONFLICT: Code = Code(5);
const UNREACHABLE: Code = Code(6);
const FULL: Code = Code(7);
const UNSUPPORTED: Code = Code(8);
/// Everything that could be copied was, and something was passed over.
pub(crate) const INCOMPLETE: Code = Code(9);

/// The table for `--help`; `docs/cli.md` says the same.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  failed otherwise
  2  wrong usage, or a path that can be no path
  3  not found
  4  permission denied, or a missing, wrong or expired token
  5  conflict: already there, a directory, not empty, another writer
  6  cannot be reached, timed out, asked to slow down
  7  no space, over a quota, too large
  8  the store cannot do this
  9  copied, but something was passed over (links to directories, sockets, names that are no paths)
  130, 143  ended by Ctrl-C or SIGTERM

Several failures: the code of the first.";

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}

/// The exit code of an error.
pub(crate) fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::PermissionDenied => PERMISSION,
        ErrorKind::AlreadyExists
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::NotEmpty
        | ErrorKind::WouldBlock
        | ErrorKind::ConditionFailed => CONFLICT,
        ErrorKind::InvalidPath | ErrorKind::InvalidInput => USAGE,
        ErrorKind::Timeout | ErrorKind::Connection | ErrorKind::RateLimited => UNREACHABLE,
        ErrorKind::NoSpace | ErrorKind::TooLarge => FULL,
        ErrorKind::Unsupported => UNSUPPORTED,
        _ => FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_code_that_help_names() {
        for row in twinfs::error::MAPPINGS {
            let Code(code) = code(row.kind);
            assert!(code != 0 && HELP.contains(&format!("\n  {code}  ")), "{:?}", row.kind);
        }
    }
}
