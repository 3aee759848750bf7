// SPDX-License-Identifier: MIT OR Apache-2.0
//! The control socket: a process shows its sessions and pool elements, and takes new loads and weights, on a unix socket in a directory that only
//! its user can enter. docs/control-socket.md has the protocol.

mod registry;
mod server;

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

pub(crate) use registry::{Element, Entered, Registry};

/// The socket of one [`PoolUser`](crate::PoolUser); gone with it.
#[derive(Debug)]
pub(crate) struct Control {
    registry: Registry,
    path: PathBuf,
    task: AbortHandle,
}

impl Control {
    /// Serves a new socket in `directory`, which is made if it isn't there. Must be called inside the runtime.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let owner = own_directory(directory)?;
        // A process may have several pool users.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("{}-{number}.sock", std::process::id()));
        // What a dead process with our number has left.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let registry = Registry::default();
        let task = tokio::spawn(server::serve(listener, registry.clone(), owner)).abort_handle();
        Ok(Control { registry, path, task })
    }

    /// Where sessions and pool elements enter.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        // If it can't be removed, whoever finds it sees that nobody answers.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes the directory or checks that nobody else can put anything into it; answers who we are.
fn own_directory(directory: &Path) -> io::Result<u32> {
    match std::fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = std::fs::symlink_metadata(directory)?;
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
    if !metadata.is_dir() {
        return refuse("it is no directory");
    }
    if metadata.mode() & 0o022 != 0 {
        return refuse("others may write into it: chmod go-w");
    }
    let own = UnixStream::pair()?.0.peer_cred()?.uid();
    match metadata.uid() {
        owner if owner == own || owner == 0 => Ok(own),
        _ => refuse("it belongs to somebody else"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of the test, gone with it.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rserpool-control-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Directory(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn the_socket_is_for_its_user_only_and_goes_with_the_pool_user() {
        let directory = Directory::new("own");
        let control = Control::open(&directory.0).expect("it can be made");
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!((mode(&directory.0), mode(&control.path)), (0o700, 0o600));
        let path = control.path.clone();
        drop(control);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_directory_that_others_can_write_to_is_refused() {
        let directory = Directory::new("open");
        std::fs::create_dir(&directory.0).expect("it can be made");
        std::fs::set_permissions(&directory.0, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
        let error = Control::open(&directory.0).expect_err("anybody could put a socket there");
        assert!(error.to_string().contains("others may write"), "{error}");
        let link = Directory::new("link");
        std::os::unix::fs::symlink("/tmp", &link.0).expect("it can be made");
        assert!(Control::open(&link.0).expect_err("a link leads anywhere").to_string().contains("no directory"));
        let _ = std::fs::remove_file(&link.0);
    }
}
