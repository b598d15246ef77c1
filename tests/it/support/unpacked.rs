//! Servers that cannot be installed beside Dovecot, or should not be: their packages are unpacked, not installed.
//!
//! Nothing of the system changes. The trees stay in `$CPM_BRIDGE_TEST_CACHE`, by default a directory of the user's
//! in the temporary directory, because other users' processes have to get there when root runs the tests.

use std::{
    ffi::OsString,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

/// Programs and libraries below a directory that stands for the root.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Unpacks these packages and the libraries they need and the system lacks, unless that was done before.
    ///
    /// Panics, and says what is missing, where packages cannot be had.
    pub(crate) fn of(name: &str, packages: &[&str]) -> Self {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        // Another list is another tree.
        let mut hasher = DefaultHasher::new();
        packages.hash(&mut hasher);
        let root = cache().join(format!("{name}-{:016x}", hasher.finish()));
        if !root.exists() {
            unpack(&root, packages)
                .unwrap_or_else(|reason| panic!("{name} is needed for this test: {reason}"));
        }
        Self { root }
    }

    /// A path in the tree.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Where its libraries are, for `LD_LIBRARY_PATH`.
    pub(crate) fn libraries(&self) -> OsString {
        let mut found = vec![self.path("usr/lib")];
        for directory in ["usr/lib", "lib"] {
            let Ok(entries) = self.path(directory).read_dir() else {
                continue;
            };
            let architectures = entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
            found.extend(architectures);
        }
        std::env::join_paths(found).unwrap()
    }
}

fn cache() -> PathBuf {
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let cache = std::env::var_os("CPM_BRIDGE_TEST_CACHE").map_or_else(
        || std::env::temp_dir().join(format!("cpm-bridge-test-servers-{own}")),
        PathBuf::from,
    );
    std::fs::create_dir_all(&cache).unwrap();
    // Programs are run from here: nobody else may have put them there.
    let owner = std::fs::metadata(&cache).unwrap().uid();
    assert_eq!(owner, own, "{} belongs to another user", cache.display());
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o755)).unwrap();
    cache.canonicalize().unwrap()
}

fn unpack(root: &Path, packages: &[&str]) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let work = tempfile::Builder::new()
        .prefix("unpacking-")
        .tempdir_in(root.parent().unwrap())
        .map_err(io)?;
    let tree = work.path().join("tree");
    std::fs::create_dir(&tree).map_err(io)?;
    let mut download = Command::new("apt-get");
    download.args(["--quiet", "download"]).args(packages);
    download
        .args(missing_libraries(packages)?)
        .current_dir(work.path());
    run(&mut download)?;
    for entry in work.path().read_dir().map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb")
                .arg("--extract")
                .arg(&path)
                .arg(&tree))?;
        }
    }
    // dpkg-deb gives the tree the mode of the package's root, the temporary directory had 0700.
    std::fs::set_permissions(&tree, std::fs::Permissions::from_mode(0o755)).map_err(io)?;
    match std::fs::rename(&tree, root) {
        // Another process was faster.
        Err(_) if root.exists() => Ok(()),
        outcome => outcome.map_err(io),
    }
}

/// What an installation would add to the system, as far as it is libraries (and not, say, a mail server) and the
/// server one of them cannot do without.
fn missing_libraries(packages: &[&str]) -> Result<Vec<String>, String> {
    let mut simulation = Command::new("apt-get");
    simulation.args(["--simulate", "--no-install-recommends", "install"]);
    let plan = run(simulation.args(packages))?;
    let added = plan.lines().filter_map(|line| {
        let (name, version) = line.strip_prefix("Inst ")?.split_once(' ')?;
        // A version in brackets first is the one that is installed already.
        let library = name.starts_with("lib") && !name.ends_with("-dev");
        let wanted = library || name == "gamin";
        (wanted && !version.starts_with('[')).then(|| name.to_owned())
    });
    Ok(added.collect())
}

fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| format!("{program}: {error} (only Debian and Ubuntu can unpack it)"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} (after apt-get update?): {reason}"))
}
