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
mod task;
mod value;

use pyo3::prelude::*;

/// Reading recipes makes and drops millions of small texts. The C library's allocator takes a fifth of the time for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    task::add(module)?;
    signatures::add(module)
}
