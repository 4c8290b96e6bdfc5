//! The engine as a CPython extension module, `rbake_engine`.

mod collect;
mod context;
mod cpython;
mod datasmart;
mod engine;
mod error;
mod fetch;
mod gil;
mod host;
mod parse;
mod scan;
mod signatures;
mod value;

use pyo3::prelude::*;

#[pymodule]
fn rbake_engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<datasmart::DataSmart>()?;
    module.add("PanicException", module.py().get_type::<pyo3::panic::PanicException>())?;
    module.add_function(wrap_pyfunction!(cpython::fire_handlers, module)?)?;
    collect::add(module)?;
    fetch::add(module)?;
    host::add(module)?;
    parse::add(module)?;
    scan::add(module)?;
    signatures::add(module)
}
