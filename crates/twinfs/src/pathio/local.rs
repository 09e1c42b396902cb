//! Paths of the operating system as paths in the store of its root directory.

use std::path::{Component, Path};

use crate::error::{Error, ErrorContext, Operation, Result};
use crate::path::FsPath;

/// The place of a local file in a store of `/` ([`Nursery::local`](super::Nursery::local)). A relative
/// path starts at the working directory; `..` is resolved as the system does, behind links.
///
/// # Errors
/// [`InvalidPath`](crate::ErrorKind::InvalidPath), as [`FsPath::new`], and those of the system for a directory before a `..`.
///
/// ```
/// use twinfs::pathio::local_path;
///
/// assert_eq!(local_path("/srv/ftp/a.txt")?.as_str(), "srv/ftp/a.txt");
/// assert_eq!(local_path("/usr/../srv")?.as_str(), "srv");
/// # Ok::<(), twinfs::Error>(())
/// ```
pub fn local_path(path: impl AsRef<Path>) -> Result<FsPath> {
    let path = path.as_ref();
    let shown = |error: Error| error.with_raw_path(path.to_string_lossy());
    // It takes '.' and double slashes out, and asks the system only for the working directory.
    let absolute = match path.as_os_str().is_empty() {
        true => std::env::current_dir(),
        false => std::path::absolute(path),
    };
    let absolute = absolute.during(Operation::Open).map_err(shown)?;
    let components: Vec<Component<'_>> = absolute.components().collect();
    let Some(last) = components.iter().rposition(|part| *part == Component::ParentDir) else {
        return FsPath::from_bytes(absolute.as_os_str().as_encoded_bytes());
    };
    let (above, below) = components.split_at(last + 1);
    let above = std::fs::canonicalize(above.iter().collect::<std::path::PathBuf>());
    let mut resolved = above.during(Operation::Open).map_err(shown)?;
    resolved.extend(below);
    FsPath::from_bytes(resolved.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn parents_are_those_behind_links() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::os::unix::fs::symlink("a/b", root.join("link")).unwrap();
        let found = local_path(root.join("link/../c")).unwrap();
        assert_eq!(Path::new("/").join(found.as_str()), root.join("a/c"));
        let missing = local_path(root.join("missing/../c")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_relative_path_starts_at_the_working_directory() {
        let here = std::env::current_dir().unwrap();
        let place = |path| Path::new("/").join(local_path(path).unwrap().as_str());
        assert_eq!(place("a"), here.join("a"));
        assert_eq!(place("."), here);
        assert_eq!(place(""), here);
    }

    #[test]
    fn what_no_path_can_hold_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"/tmp/\xff");
        assert_eq!(local_path(name).unwrap_err().kind(), ErrorKind::InvalidPath);
    }
}
