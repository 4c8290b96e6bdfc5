//! Floor 3: evaluating Python. The native evaluator of inline expressions, and the bridge to CPython.

pub mod interpreter;
pub mod native;
pub mod scope;
