//! A store in a folder of this host: for its user alone, and there after a power cut.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::record::disk;

/// Opens a folder that is there.
pub(super) fn open(root: &Path) -> Result<Arc<dyn ObjectStore>, String> {
    fs::read_dir(root).map_err(|error| error.to_string())?;
    let objects = LocalFileSystem::new_with_prefix(root).map_err(|error| error.to_string())?;
    Ok(Arc::new(objects.with_fsync(true)))
}

/// Makes the folders of a key, for this user alone.
pub(super) fn make_room(root: &Path, key: &str) -> io::Result<()> {
    root.join(key)
        .parent()
        .map_or(Ok(()), disk::create_private_dirs)
}

/// Lets only this user read an object.
pub(super) fn close_to_others(root: &Path, key: &str) -> io::Result<()> {
    let file = root.join(key);
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    disk::give_to_the_folders_owner(&file)
}

/// Waits until an object and its name are on the disk.
pub(super) fn sync(root: &Path, key: &str) -> io::Result<()> {
    let file = root.join(key);
    File::open(&file)?.sync_all()?;
    disk::sync_parent(&file)
}
