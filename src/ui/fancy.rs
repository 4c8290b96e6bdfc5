//! Progress on a terminal: one line with a bar, counts, rate and the time left, drawn at most ten times a second.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::progress::{Meter, Progress, clock};

/// Time between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);
/// The bar is left out where it would be shorter.
const SHORTEST_BAR: usize = 8;
/// Back to the start of the line, and wipe it.
const WIPE: &str = "\r\x1b[K";

/// A bar in the last line of the terminal.
#[derive(Debug)]
pub struct FancyProgress {
    columns: usize,
    meter: Option<Meter>,
    drawn: Option<Instant>,
    visible: bool,
}

impl FancyProgress {
    /// A display for a terminal of this width.
    pub fn new(columns: usize) -> FancyProgress {
        FancyProgress { columns, meter: None, drawn: None, visible: false }
    }

    fn draw(&mut self, out: &mut dyn Write, now: Instant) -> io::Result<()> {
        let Some(meter) = &self.meter else { return Ok(()) };
        self.drawn = Some(now);
        self.visible = true;
        write!(out, "{WIPE}{}", line(meter, self.columns, now))?;
        out.flush()
    }
}

/// The line without its control characters: `Parsing recipes:  45% |####    | 412/915 210/s 0:00:02 left`.
fn line(meter: &Meter, columns: usize, now: Instant) -> String {
    let left = format!("{}: {:3}%", meter.title, meter.percent());
    let done = meter.current >= meter.total;
    let mut right = format!("{}/{}", meter.current, meter.total);
    if let Some(rate) = meter.rate(now) {
        right.push_str(&match rate < 10.0 {
            true => format!(" {rate:.1}/s"),
            false => format!(" {rate:.0}/s"),
        });
    }
    match meter.remaining(now) {
        _ if done => right.push_str(&format!(" in {}", clock(meter.elapsed(now)))),
        Some(remaining) => right.push_str(&format!(" {} left", clock(remaining))),
        None => {}
    }
    // The last column stays free: some terminals go to the next line when it is written.
    let width = columns.saturating_sub(1);
    let taken = left.chars().count() + right.chars().count() + 4;
    let line = match width.checked_sub(taken).filter(|bar| *bar >= SHORTEST_BAR) {
        Some(bar) => {
            let filled = bar * meter.percent() as usize / 100;
            format!("{left} |{}{}| {right}", "#".repeat(filled), " ".repeat(bar - filled))
        }
        None => format!("{left} {right}"),
    };
    line.chars().take(width).collect()
}

impl Progress for FancyProgress {
    fn start(&mut self, out: &mut dyn Write, title: &str, total: u64, now: Instant) -> io::Result<()> {
        self.meter = Some(Meter::new(title, total, now));
        self.draw(out, now)
    }

    fn update(&mut self, out: &mut dyn Write, current: u64, now: Instant) -> io::Result<()> {
        let Some(meter) = &mut self.meter else { return Ok(()) };
        meter.current = current;
        match self.drawn {
            Some(drawn) if now.saturating_duration_since(drawn) < INTERVAL => Ok(()),
            _ => self.draw(out, now),
        }
    }

    fn clear(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::take(&mut self.visible) {
            out.write_all(WIPE.as_bytes())?;
        }
        Ok(())
    }

    fn redraw(&mut self, out: &mut dyn Write, now: Instant) -> io::Result<()> {
        if self.visible { Ok(()) } else { self.draw(out, now) }
    }

    fn finish(&mut self, out: &mut dyn Write, now: Instant) -> io::Result<()> {
        if let Some(meter) = &mut self.meter {
            meter.current = meter.total;
            self.draw(out, now)?;
            writeln!(out)?;
            out.flush()?;
        }
        (self.meter, self.drawn, self.visible) = (None, None, false);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(out: &mut Vec<u8>) -> String {
        String::from_utf8(std::mem::take(out)).unwrap()
    }

    #[test]
    fn a_line_tells_how_far_how_fast_how_long() {
        let start = Instant::now();
        let mut meter = Meter::new("Parsing recipes", 800, start);
        meter.current = 200;
        let later = start + Duration::from_secs(2);
        let text = line(&meter, 80, later);
        assert_eq!(text.len(), 79);
        assert!(text.starts_with("Parsing recipes:  25% |#######      "), "{text}");
        assert!(text.ends_with(" | 200/800 100/s 0:00:06 left"), "{text}");
        assert_eq!(line(&meter, 40, later), "Parsing recipes:  25% 200/800 100/s 0:0");
        assert_eq!(line(&meter, 0, later), "");
        meter.current = 800;
        assert!(line(&meter, 80, later).ends_with("##| 800/800 400/s in 0:00:02"));
    }

    #[test]
    fn ten_drawings_a_second_are_enough() {
        let start = Instant::now();
        let mut out = Vec::new();
        let mut bar = FancyProgress::new(80);
        bar.start(&mut out, "Parsing recipes", 1000, start).unwrap();
        for i in 1..=1000 {
            bar.update(&mut out, i, start + Duration::from_millis(i)).unwrap();
        }
        assert_eq!(drawn(&mut out).matches(WIPE).count(), 11);
        bar.finish(&mut out, start + Duration::from_secs(1)).unwrap();
        assert!(drawn(&mut out).ends_with("1000/1000 1000/s in 0:00:01\n"));
        bar.finish(&mut out, start).unwrap();
        assert_eq!(drawn(&mut out), "");
    }

    #[test]
    fn output_comes_between() {
        let start = Instant::now();
        let mut out = Vec::new();
        let mut bar = FancyProgress::new(80);
        bar.clear(&mut out).unwrap();
        assert_eq!(drawn(&mut out), "");
        bar.start(&mut out, "x", 2, start).unwrap();
        drawn(&mut out);
        bar.clear(&mut out).unwrap();
        bar.clear(&mut out).unwrap();
        assert_eq!(drawn(&mut out), WIPE);
        bar.redraw(&mut out, start).unwrap();
        assert!(drawn(&mut out).contains("x:   0%"));
    }
}
