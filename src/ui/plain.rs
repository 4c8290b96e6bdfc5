//! Progress where nobody watches: the title when it begins, `done.` when it is over, as BitBake prints it into files and pipes.

use std::io::{self, Write};
use std::time::Instant;

use super::progress::Progress;

/// Two words per operation.
#[derive(Debug, Default)]
pub struct PlainProgress {
    running: bool,
}

impl Progress for PlainProgress {
    fn start(&mut self, out: &mut dyn Write, title: &str, _total: u64, _now: Instant) -> io::Result<()> {
        self.running = true;
        write!(out, "{title}...")?;
        out.flush()
    }

    fn update(&mut self, _out: &mut dyn Write, _current: u64, _now: Instant) -> io::Result<()> {
        Ok(())
    }

    fn clear(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn redraw(&mut self, _out: &mut dyn Write, _now: Instant) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write, _now: Instant) -> io::Result<()> {
        if std::mem::take(&mut self.running) {
            writeln!(out, "done.")?;
            out.flush()?;
        }
        Ok(())
    }
}
