//! The engine as a CPython extension module.
use pyo3::prelude::*;

#[pymodule]
fn rbake_engine(_m: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
