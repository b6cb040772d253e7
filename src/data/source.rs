//! Bytes that can be read at any position by several threads at once: a file, or memory.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{DataError, Result};

/// Bytes at positions. Reading moves no shared cursor, so that threads need no lock.
pub trait Source: Send + Sync {
    /// Number of bytes when it was opened.
    fn length(&self) -> u64;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when there are not as many bytes.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Says that `length` bytes from `offset` on will soon be read, so that a disk may begin. Does not wait.
    fn will_read(&self, _offset: u64, _length: u64) {}
}

impl Source for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// An open file.
#[derive(Debug)]
pub struct FileSource {
    #[cfg(unix)]
    file: File,
    // Without positioned reads the cursor is shared, so that one thread reads at a time.
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
    length: u64,
}

impl FileSource {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// A file that is missing, a folder, or not allowed.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |error: &io::Error| DataError::io(path, "open", error);
        let file = File::open(path).map_err(|e| fail(&e))?;
        let metadata = file.metadata().map_err(|e| fail(&e))?;
        if metadata.is_dir() {
            return Err(fail(&io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self {
            #[cfg(unix)]
            file,
            #[cfg(not(unix))]
            file: std::sync::Mutex::new(file),
            length: metadata.len(),
        })
    }
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    #[cfg(target_os = "linux")]
    fn will_read(&self, offset: u64, length: u64) {
        let length = std::num::NonZeroU64::new(length);
        // Advice that the system does not take changes nothing.
        let _not_taken = rustix::fs::fadvise(&self.file, offset, length, rustix::fs::Advice::WillNeed);
    }

    #[cfg(not(unix))]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_refuses_positions_outside_instead_of_panicking() {
        let bytes: Vec<u8> = (0..10).collect();
        let mut buffer = [0; 4];
        bytes.read_at(6, &mut buffer).unwrap();
        assert_eq!(buffer, [6, 7, 8, 9]);
        assert!(bytes.read_at(7, &mut buffer).is_err());
        assert!(bytes.read_at(u64::MAX, &mut buffer).is_err());
    }

    #[test]
    fn a_folder_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let error = FileSource::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("folder"), "{error}");
        let error = FileSource::open(&folder.path().join("none.fits")).unwrap_err().to_string();
        assert!(error.ends_with("none.fits: cannot open: no such file; check the name"), "{error}");
    }
}
