//! Reading the progress of a function from its output (variable flag `progress`).

use std::time::{Duration, Instant};

use fancy_regex::Regex;

use super::super::event::TaskEvent;
use super::log::TaskLog;

/// Looks for progress in output.
pub struct Progress {
    pattern: Regex,
    control: Regex,
    /// The pattern has two groups: how much is done, and of how much.
    out_of: bool,
    last: f64,
    told: Option<Instant>,
}

/// How the flag can be read here.
pub enum Wanted {
    /// It is wrong.
    Invalid,
    /// Only Python can.
    Python,
    /// So.
    Here(Box<Progress>),
}

impl Progress {
    /// What the flag asks for.
    pub fn read(flag: &str) -> Wanted {
        let (pattern, out_of) = match flag.split_once(':') {
            None if flag == "percent" => (r"(\d+)%", false),
            Some(("percent", pattern)) => (pattern, false),
            Some(("outof", pattern)) => (pattern, true),
            Some(("custom", _)) => return Wanted::Python,
            _ => return Wanted::Invalid,
        };
        // CSI, parameters, intermediates, final (ECMA-48).
        match (Regex::new(pattern), Regex::new("\u{1b}\\[[0-?]*[ -/]*[@-~]")) {
            (Ok(pattern), Ok(control)) => {
                Wanted::Here(Box::new(Progress { pattern, control, out_of, last: 0.0, told: None }))
            }
            // Python may take what this engine doesn't.
            _ => Wanted::Python,
        }
    }

    /// Tells that it begins.
    pub fn begin(&self, log: &TaskLog) {
        log.tell(&TaskEvent::Progress { percent: 0.0, rate: None });
    }

    /// Looks at a piece of output.
    pub fn take(&mut self, data: &[u8], log: &TaskLog) {
        let text = String::from_utf8_lossy(data);
        let text = self.control.replace_all(&text, "");
        let Some(Ok(found)) = self.pattern.captures_iter(&*text).last() else { return };
        let number = |at: usize| found.get(at).and_then(|group| group.as_str().trim().parse::<f64>().ok());
        let percent = match (number(1), self.out_of) {
            (Some(done), false) => done,
            (Some(done), true) => match number(2).filter(|total| *total != 0.0) {
                Some(total) => done / total * 100.0,
                None => return,
            },
            (None, _) => return,
        };
        let percent = percent.min(100.0);
        let old = self.told.is_none_or(|told| told.elapsed() > Duration::from_secs(1));
        if percent != self.last || old {
            (self.last, self.told) = (percent, Some(Instant::now()));
            log.tell(&TaskEvent::Progress { percent, rate: None });
        }
    }
}
