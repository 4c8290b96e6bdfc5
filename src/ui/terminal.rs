//! What the standard streams are connected to.

use std::io::IsTerminal;

use nix::libc;

/// The terminal, as far as output depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Standard output is a terminal.
    pub stdout: bool,
    /// Standard error is one.
    pub stderr: bool,
    /// Its width in characters; 80 if it is none.
    pub columns: usize,
    /// Whether the user wants no colours (NO_COLOR).
    pub no_color: bool,
}

impl Terminal {
    /// Looks at the streams and at NO_COLOR and COLUMNS.
    pub fn detect() -> Terminal {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let columns = set("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
        Terminal {
            stdout: std::io::stdout().is_terminal(),
            stderr: std::io::stderr().is_terminal(),
            columns: columns.or_else(window_columns).unwrap_or(80),
            no_color: set("NO_COLOR").is_some(),
        }
    }

    /// Whether escape sequences are welcome on standard output.
    pub fn color_out(&self) -> bool {
        self.stdout && !self.no_color
    }

    /// Whether escape sequences are welcome on standard error.
    pub fn color_err(&self) -> bool {
        self.stderr && !self.no_color
    }
}

/// Width of the window behind standard output.
fn window_columns() -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: no safe call tells the window's size; the kernel fills the structure, which lives until the call returns.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
