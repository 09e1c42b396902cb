//! Interleaved rounds, medians and ratios.

use std::time::Instant;

use serde_json::{Value, json};

/// What a workload gives.
pub type Outcome = Result<Value, Box<dyn std::error::Error>>;
/// One measured pass of a contender; it gives a number that proves the bytes it moved.
type Pass<'a> = Box<dyn FnMut() -> Result<u64, Box<dyn std::error::Error>> + 'a>;

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
        self.contenders.push((name, Box::new(pass), Vec::new()));
        self
    }

    /// Runs a warm-up and then `rounds` rounds of all contenders in turn.
    pub fn run(mut self, rounds: usize) -> Outcome {
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
