//! How long requests take, counted as they go by.

use std::time::Duration;

use serde_json::{Value, json};

/// Number, sum, greatest and spread of durations, kept by Welford's method: nothing is stored per request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    count: u64,
    total: f64,
    greatest: f64,
    mean: f64,
    squares: f64,
}

impl Stats {
    /// Counts one request.
    pub fn add(&mut self, elapsed: Duration) {
        let elapsed = elapsed.as_secs_f64();
        self.count += 1;
        let before = elapsed - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (elapsed - self.mean);
        self.total += elapsed;
        self.greatest = self.greatest.max(elapsed);
    }

    /// The answer to `get-stats`; times in seconds.
    pub fn to_json(&self) -> Value {
        let deviation =
            if self.count > 1 { (self.squares / (self.count - 1) as f64).max(0.0).sqrt() } else { 0.0 };
        let average = if self.count > 0 { self.total / self.count as f64 } else { 0.0 };
        json!({"requests": {
            "num": self.count,
            "total_time": self.total,
            "max_time": self.greatest,
            "average": average,
            "stdev": deviation,
        }})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_definition() {
        let mut stats = Stats::default();
        for seconds in [2, 4, 4, 4, 5, 5, 7, 9] {
            stats.add(Duration::from_secs(seconds));
        }
        let figures = stats.to_json();
        let figure = |name: &str| figures["requests"][name].as_f64().unwrap();
        assert_eq!((figure("num"), figure("total_time"), figure("max_time")), (8.0, 40.0, 9.0));
        assert_eq!(figure("average"), 5.0);
        // The sum of the squared differences is 32; 32/7 is the variance of a sample.
        assert!((figure("stdev") - (32.0f64 / 7.0).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn nothing_counted_is_zero() {
        assert_eq!(Stats::default().to_json()["requests"]["average"], 0.0);
    }
}
