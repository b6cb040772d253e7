//! Writing a run folder so that under its final name there is either a whole run or none.
//!
//! A run writes into `DIR.part-PID` beside its goal and is renamed when everything, `record.json` last, is on disk.
//! The part folder is locked while its process lives; the next run into the same place removes those whose process is gone.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::record::{RECORD_NAME, Record};
use crate::tasks::TaskError;

/// Ending of an old run that is being replaced.
const OLD: &str = ".old";

/// What stands at the place where a run is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Absent,
    /// An empty folder.
    Empty,
    /// A run of ours.
    Run,
}

/// Looks whether a run may go to `out`, which must be absent, empty, or (with `overwrite`) a run of ours. Changes nothing.
///
/// # Errors
/// [`TaskError::File`] in one line that says why not and what to do.
pub fn check(out: &Path, overwrite: bool) -> Result<Place, TaskError> {
    let kind = match fs::metadata(out) {
        Ok(kind) => kind,
        // A link to nothing could not be renamed onto.
        Err(e) if e.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(out).is_ok() => {
            return Err(TaskError::file(out, "is a link to nothing; remove it or give another folder to --out"));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Place::Absent),
        Err(e) => return Err(TaskError::file(out, format!("cannot be used as the output folder ({e})"))),
    };
    if !kind.is_dir() {
        return Err(TaskError::file(out, "is a file; give a folder to --out"));
    }
    let mut inside = fs::read_dir(out).map_err(|e| TaskError::file(out, format!("cannot be read ({e})")))?;
    if inside.next().is_none() {
        return Ok(Place::Empty);
    }
    if Record::read(out).is_err() {
        let problem =
            format!("holds files but no {RECORD_NAME} of ours, so it is not touched; give another folder to --out");
        return Err(TaskError::file(out, problem));
    }
    if !overwrite {
        return Err(TaskError::file(
            out,
            "holds a finished run; add --overwrite to replace it, or give another folder",
        ));
    }
    Ok(Place::Run)
}

/// A run folder that is being written. Dropped without [`Part::commit`], it vanishes.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    goal: PathBuf,
    overwrite: bool,
    /// Held open: it carries the lock by which others see that this part is alive.
    #[allow(dead_code)]
    lock: Option<File>,
    finished: bool,
}

impl Part {
    /// Makes the part folder for `out`, after [`check`] and after removing the parts that dead processes left there.
    ///
    /// # Errors
    /// [`TaskError::File`] if `out` may not be used or the folder cannot be made.
    pub fn create(out: &Path, overwrite: bool) -> Result<Self, TaskError> {
        check(out, overwrite)?;
        let fail = |what: &str, e: &io::Error| TaskError::file(out, format!("{what} ({e})"));
        // An existing folder may be reached through a link or as `.`: the run goes to the folder itself.
        let goal = if out.exists() { fs::canonicalize(out) } else { std::path::absolute(out) };
        let goal = goal.map_err(|e| fail("is no usable path", &e))?;
        let (Some(parent), Some(name)) = (goal.parent(), goal.file_name()) else {
            return Err(TaskError::file(out, "is no place for a run; give a folder with a name"));
        };
        fs::create_dir_all(parent).map_err(|e| fail("its parent folder cannot be made", &e))?;
        if let Some(name) = name.to_str() {
            remove_leftovers(parent, Some(name));
            // An old run may have come back.
            check(out, overwrite)?;
        }
        let path = parent.join(part_name(name));
        let goal = parent.join(name); // without a slash at the end
        let lock = claim(&path).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => TaskError::file(out, "another run of this program is writing to it now"),
            _ => fail("cannot be written", &e),
        })?;
        Ok(Self { path, goal, overwrite, lock, finished: false })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file and brings it to disk.
    ///
    /// # Errors
    /// [`TaskError::Failed`] that names the file.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), TaskError> {
        let file = self.path.join(name);
        let write = || {
            let mut open = File::create(&file)?;
            open.write_all(content)?;
            open.sync_all()
        };
        write().map_err(|e| TaskError::Failed(format!("{}: cannot be written ({e})", file.display())))
    }

    /// Writes the record as the last file, brings everything to disk and gives the folder its final name, which is returned.
    ///
    /// # Errors
    /// [`TaskError::Failed`] if a product named in the record is missing or the disk refuses: the part folder is removed then.
    /// The same if somebody else took the goal meanwhile: the finished run is kept under a name beside it, which the error tells.
    pub fn commit(mut self, record: &Record) -> Result<PathBuf, TaskError> {
        for name in &record.files {
            let file = self.path.join(name);
            // Some systems sync only through a handle that may write.
            let open = File::options().write(true).open(&file);
            open.and_then(|f| f.sync_all())
                .map_err(|e| TaskError::Failed(format!("{}: was not written ({e})", file.display())))?;
        }
        self.write(RECORD_NAME, record.to_json()?.as_bytes())?;
        sync_folder(&self.path);
        let moved = match check(&self.goal, self.overwrite) {
            Err(TaskError::File { problem, .. }) => {
                let found = problem.split(';').next().unwrap_or_default();
                return Err(self.evade(&format!("was taken meanwhile (it {found})")));
            }
            Err(error) => return Err(self.evade(&error.to_string())),
            Ok(Place::Absent) => fs::rename(&self.path, &self.goal),
            Ok(Place::Empty) => rename_onto_empty(&self.path, &self.goal),
            Ok(Place::Run) => replace(&self.path, &self.goal),
        };
        if let Err(error) = moved {
            return Err(self.evade(&format!("cannot be written ({error})")));
        }
        self.finished = true;
        if let Some(parent) = self.goal.parent() {
            sync_folder(parent);
        }
        Ok(self.goal.clone())
    }
}

impl Part {
    /// The run is finished but cannot have its name: hours of work are not thrown away for that.
    fn evade(&mut self, why: &str) -> TaskError {
        let goal = self.goal.display();
        for number in 2..1000 {
            let mut beside = self.goal.as_os_str().to_owned();
            beside.push(format!("-{number}"));
            let beside = PathBuf::from(beside);
            if !beside.exists() && fs::rename(&self.path, &beside).is_ok() {
                self.finished = true;
                return TaskError::Failed(format!("{goal}: {why}; this run stands in {}", beside.display()));
            }
        }
        TaskError::Failed(format!("{goal}: {why}, and the run could not be put beside it"))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            remove_quietly(&self.path);
        }
    }
}

/// Makes a part folder and locks it; the lock is `None` where folders cannot be locked.
/// Between the two steps it looks abandoned, and another run that cleans up may take it away: then it is made again.
fn claim(part: &Path) -> io::Result<Option<File>> {
    const TRIES: u32 = 1000;
    for _ in 0..TRIES {
        fs::create_dir(part)?;
        match lock_folder(part) {
            Ok(Some(lock)) if is_open_at(&lock, part) => return Ok(Some(lock)),
            // Somebody holds it, or it is gone: to be removed either way, by whoever holds it.
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            // No locks on this system: others go by the process number in its name.
            Err(_) => return Ok(None),
        }
        for _ in 0..TRIES {
            if !part.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    Err(io::Error::other("another program keeps removing it"))
}

/// True if the folder behind an open handle still stands under its name.
#[cfg(unix)]
fn is_open_at(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let both = open.metadata().ok().zip(fs::metadata(path).ok());
    both.is_some_and(|(open, there)| (open.dev(), open.ino()) == (there.dev(), there.ino()))
}

#[cfg(not(unix))]
fn is_open_at(_open: &File, path: &Path) -> bool {
    path.exists()
}

/// Gives `part` the name of an empty folder, in one step where the system can do that: killed between two, the finished run would be
/// taken for an abandoned one.
fn rename_onto_empty(part: &Path, goal: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        fs::remove_dir(goal)?;
    }
    fs::rename(part, goal)
}

/// Puts `part` where the run `goal` stands and removes the old run. On Linux the two are exchanged in one step, so that the goal is never absent.
fn replace(part: &Path, goal: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, part, CWD, goal, RenameFlags::EXCHANGE).is_ok() {
            remove_quietly(part);
            return Ok(());
        }
        // Some file systems cannot exchange.
    }
    replace_in_two_steps(part, goal)
}

/// Moves the old run aside first. Killed between the two steps, [`remove_leftovers`] puts it back.
fn replace_in_two_steps(part: &Path, goal: &Path) -> io::Result<()> {
    let mut aside = part.as_os_str().to_owned();
    aside.push(OLD);
    let aside = PathBuf::from(aside);
    fs::rename(goal, &aside)?;
    if let Err(error) = fs::rename(part, goal) {
        fs::rename(&aside, goal)?;
        return Err(error);
    }
    remove_quietly(&aside);
    Ok(())
}

/// Removes what is ours and of no use any more. What cannot be removed is left for the next run to try again.
fn remove_quietly(folder: &Path) {
    fs::remove_dir_all(folder).ok();
}

fn part_name(name: &std::ffi::OsStr) -> OsString {
    let mut part = name.to_owned();
    part.push(format!(".part-{}", std::process::id()));
    part
}

/// Removes `NAME.part-PID` (of one name, or of all) whose process is gone.
/// A part is alive while its folder is locked, whatever machine or container the process runs in.
pub(super) fn remove_leftovers(parent: &Path, name: Option<&str>) {
    let Ok(inside) = fs::read_dir(parent) else { return };
    for entry in inside.flatten() {
        let found = entry.file_name();
        let Some((whose, rest)) = found.to_str().and_then(|f| f.rsplit_once(".part-")) else { continue };
        let Ok(process) = rest.strip_suffix(OLD).unwrap_or(rest).parse::<u32>() else { continue };
        let meant = name.is_none_or(|name| name == whose);
        if !meant || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Held until it is gone, so that nobody takes it for his own meanwhile.
        let Some(_lock) = abandoned(&entry.path(), process) else { continue };
        let goal = parent.join(whose);
        if rest.ends_with(OLD) && !goal.exists() {
            // Should this fail, the folder stays for the next run to try again.
            fs::rename(entry.path(), goal).ok();
        } else {
            remove_quietly(&entry.path());
        }
    }
}

/// What holds a part whose process is gone (nothing, where folders cannot be locked); `None` if it lives.
fn abandoned(part: &Path, process: u32) -> Option<Option<File>> {
    match lock_folder(part) {
        // A folder of that name may have come since.
        Ok(Some(lock)) => is_open_at(&lock, part).then_some(Some(lock)),
        // Locked by a living process.
        Ok(None) => None,
        // No locks on this file system: a process of that number that still exists may be the owner.
        Err(_) => {
            let gone = cfg!(target_os = "linux") && !Path::new(&format!("/proc/{process}")).exists();
            gone.then_some(None)
        }
    }
}

/// Locks a folder until the handle is dropped or the process dies, however it dies; `None` if somebody holds it.
#[cfg(unix)]
fn lock_folder(folder: &Path) -> io::Result<Option<File>> {
    let open = File::open(folder)?;
    match open.try_lock() {
        Ok(()) => Ok(Some(open)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(e)) => Err(e),
    }
}

/// Folders cannot be opened, hence not locked, on this system.
#[cfg(not(unix))]
fn lock_folder(_folder: &Path) -> io::Result<Option<File>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Brings a folder's entries to disk where the system can do that; the files in it were synced one by one, so a refusal costs no data.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, seed: u64) {
        fs::create_dir(folder).unwrap();
        let record = Record::begin("test.run", serde_json::json!({}), seed);
        fs::write(folder.join(RECORD_NAME), record.to_json().unwrap()).unwrap();
    }

    fn seed(folder: &Path) -> u64 {
        Record::read(folder).unwrap().seed
    }

    #[test]
    fn both_ways_of_replacing_leave_the_new_run_and_nothing_else() {
        for way in [replace, replace_in_two_steps] {
            let base = tempfile::tempdir().unwrap();
            let (part, goal) = (base.path().join("run.part-1"), base.path().join("run"));
            run(&goal, 1);
            run(&part, 2);
            way(&part, &goal).unwrap();
            assert_eq!(seed(&goal), 2);
            assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn an_old_run_is_put_back_when_its_replacement_was_killed_between_the_steps() {
        let base = tempfile::tempdir().unwrap();
        let at = |name: &str| base.path().join(name);
        run(&at("run.part-4194305.old"), 1);
        run(&at("run.part-4194305"), 2);
        check(&at("run"), false).unwrap();
        let part = Part::create(&at("run"), true).unwrap();
        assert_eq!(seed(&at("run")), 1, "a finished run is never lost");
        assert!(!at("run.part-4194305").exists() && !at("run.part-4194305.old").exists());
        drop(part);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
        // Without leave to replace it, the run that came back is respected.
        assert!(Part::create(&at("run"), false).is_err());
    }

    #[test]
    fn a_part_that_has_just_been_made_is_not_taken_for_an_abandoned_one() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let base = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        remove_leftovers(base.path(), None);
                    }
                });
            }
            let parts = (0..300).map(|i| {
                let part = Part::create(&base.path().join(format!("run-{i}")), false).map_err(|e| e.to_string())?;
                std::thread::yield_now();
                part.write("a.txt", b"a").map_err(|e| e.to_string())
            });
            let made: Result<Vec<()>, String> = parts.collect();
            done.store(true, Ordering::Relaxed);
            made.unwrap();
        });
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_run_that_cannot_have_its_name_says_why_and_stands_beside_it() {
        let base = tempfile::tempdir().unwrap();
        let goal = base.path().join("run");
        let part = Part::create(&goal, false).unwrap();
        fs::write(&goal, "a file").unwrap();
        let error = part.commit(&Record::begin("test.run", serde_json::json!({}), 3)).unwrap_err().to_string();
        let beside = base.path().canonicalize().unwrap().join("run-2");
        assert!(error.contains("was taken meanwhile (it is a file); this run stands in"), "{error}");
        assert_eq!(seed(&beside), 3);
    }

    #[test]
    fn an_empty_folder_becomes_the_run_and_one_that_filled_meanwhile_is_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let (part, goal) = (base.path().join("run.part-1"), base.path().join("run"));
        run(&part, 1);
        fs::create_dir(&goal).unwrap();
        fs::write(goal.join("notes.txt"), "mine").unwrap();
        rename_onto_empty(&part, &goal).unwrap_err();
        assert!(goal.join("notes.txt").is_file() && part.join(RECORD_NAME).is_file());
        fs::remove_file(goal.join("notes.txt")).unwrap();
        rename_onto_empty(&part, &goal).unwrap();
        assert_eq!(seed(&goal), 1);
    }
}
