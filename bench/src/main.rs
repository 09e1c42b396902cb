//! Measures twinfs beside its peers from Rust and prints one JSON document.
//!
//! Every workload runs its contenders interleaved, round by round, and checks the bytes each one
//! moved; the page cache is warm. `bench/run.py` turns the numbers into `docs/benchmarks.md`.

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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let workloads: [(&str, fn() -> Outcome); 8] = [
        ("read", read::contest),
        ("read_async", read::contest_async),
        ("read_many", read_many::contest),
        ("memory_get", memory::contest),
        ("write", write::contest),
        ("random_read", random::contest),
        ("list", list::contest),
        ("stream", stream::contest),
    ];
    let mut report = serde_json::Map::new();
    for (name, run) in workloads {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            eprintln!("measuring {name}");
            report.insert(name.into(), run()?);
        }
    }
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
