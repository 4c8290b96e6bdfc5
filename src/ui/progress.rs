//! Showing that something long is under way: the interface, and the arithmetic of rates and remaining times.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// A display for one operation at a time. Times are given, so that tests need no clock.
pub trait Progress {
    /// The operation begins; it has `total` steps.
    fn start(&mut self, out: &mut dyn Write, title: &str, total: u64, now: Instant) -> io::Result<()>;
    /// `current` steps are done.
    fn update(&mut self, out: &mut dyn Write, current: u64, now: Instant) -> io::Result<()>;
    /// Makes room for a line of output.
    fn clear(&mut self, out: &mut dyn Write) -> io::Result<()>;
    /// Shows the display again after [`Progress::clear`].
    fn redraw(&mut self, out: &mut dyn Write, now: Instant) -> io::Result<()>;
    /// The operation is over.
    fn finish(&mut self, out: &mut dyn Write, now: Instant) -> io::Result<()>;
}

/// How far an operation is, how fast it goes and how long it will take.
#[derive(Clone, Debug)]
pub struct Meter {
    /// What is being done.
    pub title: String,
    /// Steps done.
    pub current: u64,
    /// Steps in all.
    pub total: u64,
    started: Instant,
}

impl Meter {
    /// A meter at zero.
    pub fn new(title: &str, total: u64, now: Instant) -> Meter {
        Meter { title: title.to_string(), current: 0, total, started: now }
    }

    /// The part that is done, in percent, 100 if there was nothing to do.
    pub fn percent(&self) -> u64 {
        match self.total {
            0 => 100,
            total => (u128::from(self.current.min(total)) * 100 / u128::from(total)) as u64,
        }
    }

    /// Time since the start.
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Steps per second since the start; unknown during the first moments.
    pub fn rate(&self, now: Instant) -> Option<f64> {
        let seconds = self.elapsed(now).as_secs_f64();
        (seconds >= 0.1 && self.current > 0).then(|| self.current as f64 / seconds)
    }

    /// Time to the end at the present rate.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        let seconds = self.total.saturating_sub(self.current) as f64 / self.rate(now)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// A duration as `h:mm:ss`.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_remaining_times() {
        let start = Instant::now();
        let mut meter = Meter::new("Parsing recipes", 1000, start);
        assert_eq!((meter.percent(), meter.rate(start)), (0, None));
        meter.current = 250;
        let later = start + Duration::from_secs(2);
        assert_eq!(meter.rate(later), Some(125.0));
        assert_eq!(meter.remaining(later), Some(Duration::from_secs(6)));
        meter.current = 2000;
        assert_eq!((meter.percent(), meter.remaining(later)), (100, Some(Duration::ZERO)));
        assert_eq!(Meter::new("x", 0, start).percent(), 100);
    }

    #[test]
    fn clocks() {
        assert_eq!(clock(Duration::from_secs(3725)), "1:02:05");
        assert_eq!(clock(Duration::from_millis(59_900)), "0:00:59");
    }
}
