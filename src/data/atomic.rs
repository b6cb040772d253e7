//! Files that appear complete or not at all.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{DataError, Result};

/// Writes a file under a temporary name in the same folder and renames it, so that nobody ever sees half of it, and
/// so that the writer never meets the real name, whatever signs it has. An existing file is replaced.
///
/// # Errors
/// Whatever the system refuses: no folder, no permission, no space.
pub fn write_atomically(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sextans-").suffix(".part");
    // The default of 0600 would keep the file from colleagues; this leaves it to the user's umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder).map_err(|e| DataError::io(path, "create a file beside it", &e))?;
    let mut writer = BufWriter::with_capacity(1 << 18, file);
    fill(&mut writer).map_err(|e| DataError::io(path, "write", &e))?;
    let file = writer.into_inner().map_err(|e| DataError::io(path, "write", e.error()))?;
    file.persist(path).map_err(|e| DataError::io(path, "rename the finished file to it", &e.error))?;
    Ok(())
}
