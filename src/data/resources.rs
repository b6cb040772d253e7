//! Files that come with the program: trained weights.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder that the command line names.
static GIVEN: OnceLock<PathBuf> = OnceLock::new();

/// Looks in this folder before all others (`--resources`). The first call counts.
pub fn set_resource_folder(folder: PathBuf) {
    // Heard once: a second folder in one process would be a fault of the caller, and the first one stands.
    GIVEN.get_or_init(|| folder);
}

/// Where resources are looked for, in order: `--resources`, `$SEXTANS_RESOURCES`, beside the program, the user's data folder, the source tree.
pub fn resource_folders() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("resources")));
    let of_user = directories::ProjectDirs::from("", "", "sextans").map(|dirs| dirs.data_dir().join("resources"));
    let named = std::env::var_os("SEXTANS_RESOURCES").filter(|v| !v.is_empty()).map(PathBuf::from);
    let source = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("resources"));
    [GIVEN.get().cloned(), named, beside, of_user, source].into_iter().flatten().collect()
}

/// A file that comes with the program, e.g. `weights/lens_reconstruction/rim_64.safetensors`.
///
/// # Errors
/// One line that says where it was looked for.
pub fn find_resource(name: &str) -> Result<PathBuf, String> {
    let folders = resource_folders();
    folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        let places: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        format!("{name} was found in none of {}; name the folder with --resources", places.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_places() {
        let error = find_resource("weights/nobody.safetensors").unwrap_err();
        assert!(
            error.contains("weights/nobody.safetensors")
                && error.contains("resources")
                && error.contains("--resources")
        );
    }
}
