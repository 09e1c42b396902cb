//! Progress of transfers: a bar on a terminal, a line per file elsewhere.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use twinfs::Error;
use twinfs::bulk::{Progress, ProgressItem};

use crate::output;
use crate::target::Place;

/// How progress shows on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Not at all.
    Nothing,
    /// As a bar on a terminal, else not at all: lines of JSON stand by themselves.
    Bar,
    /// As a bar on a terminal, else as a line per file.
    BarOrLines,
}

/// Who is told how far a transfer is.
pub(crate) fn of(show: Show, from: &Place, to: &Place) -> Option<Arc<dyn Progress>> {
    match (show, io::stderr().is_terminal()) {
        (Show::Nothing, _) | (Show::Bar, false) => None,
        (Show::Bar | Show::BarOrLines, true) => Some(Arc::new(Bar::new())),
        (Show::BarOrLines, false) => Some(Arc::new(Lines { from: from.clone(), to: to.clone() })),
    }
}

/// A progress bar on standard error.
struct Bar {
    bytes: ProgressBar,
}

impl Bar {
    fn new() -> Self {
        let bytes = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{spinner} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bytes.set_style(style);
        }
        bytes.enable_steady_tick(Duration::from_millis(100));
        Self { bytes }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bytes.finish_and_clear();
    }
}

impl Progress for Bar {
    fn discovered(&self, item: &ProgressItem<'_>) {
        self.bytes.inc_length(item.len.unwrap_or(0));
    }

    fn started(&self, item: &ProgressItem<'_>) {
        self.bytes.set_message(item.path.to_string());
    }

    fn advanced(&self, _: &ProgressItem<'_>, bytes: u64) {
        self.bytes.inc(bytes);
    }
}

/// A line on standard error for every file that is done.
struct Lines {
    from: Place,
    to: Place,
}

impl Progress for Lines {
    fn finished(&self, item: &ProgressItem<'_>, result: Result<(), &Error>) {
        if result.is_ok() {
            let to = item.to.map_or_else(|| self.to.text.clone(), |to| self.to.show(to));
            let from = self.from.show(item.path);
            output::warn(&format_args!("{} -> {}", from.escape_debug(), to.escape_debug()));
        }
    }
}
