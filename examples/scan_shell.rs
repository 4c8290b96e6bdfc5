//! Scans shell texts from standard input, separated by NUL bytes, and writes one line of JSON for each: `commands` and
//! `functions`, or `error` with the kind, place and texts of the refusal. It serves the comparison with BitBake in
//! `tests/conformance/shell_scanner.py`.

use std::io::{BufWriter, Read, Write};

use rbake::lang::shell;
use serde_json::json;

fn main() -> std::io::Result<()> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    for text in input.split('\0') {
        let line = match shell::scan(text) {
            Ok(scan) => json!({ "commands": scan.execs, "functions": scan.funcdefs }),
            Err(error) => json!({ "error": {
                "kind": format!("{:?}", error.kind),
                "line": error.line,
                "column": error.column,
                "message": error.message,
                "reference": error.reference,
            } }),
        };
        writeln!(output, "{line}")?;
    }
    output.flush()
}
