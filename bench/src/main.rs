//! Measures twinfs beside its peers from Rust and prints one JSON document.
//!
//! Every workload runs its contenders interleaved, round by round, and checks the bytes each one
//! moved; the page cache is warm. `bench/run.py` turns the numbers into `docs/benchmarks.md`.
//!
//! `twinfs-bench [--quick] [--peers NAME ...] [WORKLOAD ...]`, where `--peers` ends at `--`: two
//! rounds only; only peers whose names contain one of these; only these workloads.

mod contest;
mod list;
mod memory;
mod random;
mod read;
mod read_many;
mod stream;
mod tree;
mod write;

use contest::Outcome;

type Workload = (&'static str, fn() -> Outcome);

const WORKLOADS: [Workload; 8] = [
    ("read", read::contest),
    ("read_async", read::contest_async),
    ("read_many", read_many::contest),
    ("memory_get", memory::contest),
    ("write", write::contest),
    ("random_read", random::contest),
    ("list", list::contest),
    ("stream", stream::contest),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut wanted = Vec::new();
    let mut choice = contest::Choice::default();
    let mut naming_peers = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => choice.quick = true,
            "--peers" => naming_peers = true,
            "--" => naming_peers = false,
            _ if naming_peers => choice.peers.push(argument),
            name if WORKLOADS.iter().any(|(known, _)| *known == name) => wanted.push(argument),
            name => return Err(format!("no such workload: {name}").into()),
        }
    }
    contest::choose(choice);
    let mut report = serde_json::Map::new();
    for (name, run) in WORKLOADS {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            eprintln!("measuring rust {name}");
            report.insert(name.into(), run()?);
        }
    }
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
