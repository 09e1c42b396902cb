//! Interleaved rounds, medians and ratios.

use std::sync::OnceLock;
use std::time::Instant;

use serde_json::{Value, json};

/// What a workload gives.
pub type Outcome = Result<Value, Box<dyn std::error::Error>>;
/// One measured pass of a contender; it gives a number that proves the bytes it moved.
type Pass<'a> = Box<dyn FnMut() -> Result<u64, Box<dyn std::error::Error>> + 'a>;

/// Which contenders take part in every contest, and how often.
#[derive(Default)]
pub struct Choice {
    /// Two rounds only: for trying out, not for figures.
    pub quick: bool,
    /// Parts of the names of the peers that are kept; empty keeps all.
    pub peers: Vec<String>,
}

static CHOICE: OnceLock<Choice> = OnceLock::new();

/// Holds for every contest from now on; the first call counts.
pub fn choose(choice: Choice) {
    CHOICE.get_or_init(|| choice);
}

/// Contenders for one workload.
pub struct Contest<'a> {
    /// Operations in one pass: results are microseconds an operation.
    operations: usize,
    /// What each pass must give.
    proof: u64,
    contenders: Vec<(&'static str, Pass<'a>, Vec<f64>)>,
}

impl<'a> Contest<'a> {
    pub fn new(operations: usize, proof: u64) -> Self {
        Self { operations, proof, contenders: Vec::new() }
    }

    pub fn enter(
        mut self,
        name: &'static str,
        pass: impl FnMut() -> Result<u64, Box<dyn std::error::Error>> + 'a,
    ) -> Self {
        let peers = CHOICE.get().map_or(&[][..], |choice| &choice.peers);
        // The first is what the others are compared with.
        let always = self.contenders.is_empty() || name.starts_with("twinfs");
        if always || peers.is_empty() || peers.iter().any(|part| name.contains(part.as_str())) {
            self.contenders.push((name, Box::new(pass), Vec::new()));
        }
        self
    }

    /// Runs a warm-up and then `rounds` rounds of all contenders in turn.
    pub fn run(mut self, rounds: usize) -> Outcome {
        let quick = CHOICE.get().is_some_and(|choice| choice.quick);
        let rounds = if quick { rounds.min(2) } else { rounds };
        for round in 0..=rounds {
            for (name, pass, times) in &mut self.contenders {
                let start = Instant::now();
                let proof = pass()?;
                let micros = start.elapsed().as_secs_f64() * 1e6 / self.operations as f64;
                if proof != self.proof {
                    return Err(format!("{name} moved {proof}, not {}", self.proof).into());
                }
                if round > 0 {
                    times.push(micros);
                }
            }
        }
        let results = self.contenders.iter_mut().map(|(name, _, times)| {
            times.sort_by(f64::total_cmp);
            let quantile = |part: usize| times[(times.len() - 1) * part / 4];
            json!({
                "name": name,
                "median_us": quantile(2),
                "quartiles_us": [quantile(1), quantile(3)],
                "rounds": times.len(),
            })
        });
        Ok(json!({ "operations": self.operations, "contenders": results.collect::<Vec<_>>() }))
    }
}
