//! The clients of the run-files API, on both faces, against real servers.

#![cfg(test)]

mod client;
mod face;
mod scenarios;
mod servers;
mod store;

use servers::{Server, kodosumi, twinfs};

/// A temporary directory that is this process's alone, to see what is left in it.
fn own_temporary_directory() -> tempfile::TempDir {
    let own = tempfile::tempdir().unwrap();
    // SAFETY: called first in a test that runs in a process of its own, before any thread starts.
    unsafe { std::env::set_var("TMPDIR", own.path()) };
    own
}

fn everything_against(server: &Server, resumes_downloads: bool) {
    let own = own_temporary_directory();
    scenarios::round_trip(server, own.path());
    scenarios::odd_names(server, own.path());
    scenarios::chunks_of_any_size(server);
    scenarios::early_close(server, own.path());
    scenarios::refusals(server);
    scenarios::upload_over_connections_that_break(server);
    scenarios::download_over_connections_that_break(server, own.path(), resumes_downloads);
}

#[test]
fn everything_works_with_kodosumis_own_server() {
    if let Some(server) = kodosumi() {
        everything_against(&server, false);
    }
}

#[test]
fn everything_works_with_a_twinfs_server() {
    everything_against(&twinfs(), true);
}
