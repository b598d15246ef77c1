//! What happened, in the order in which it did: for a run that fails.

use std::{
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex},
};

use chrono::Utc;

/// One for all who have something to say.
#[derive(Debug, Clone, Default)]
pub(super) struct Diary(Arc<Mutex<String>>);

impl Diary {
    pub(super) fn note(&self, line: &str) {
        let mut lines = self.0.lock().unwrap();
        let now = Utc::now().format("%H:%M:%S%.6f");
        writeln!(lines, "{now} {}", line.replace("\r\n", " ")).unwrap();
    }

    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn write(&self, file: &Path) {
        std::fs::write(file, &*self.0.lock().unwrap()).unwrap();
    }
}
