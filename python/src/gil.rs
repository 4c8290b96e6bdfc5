//! Engine objects inside Python objects.

use pyo3::Python;

/// A value of the engine that Python objects of any thread may hold, because only the holder of the interpreter lock reaches it.
///
/// The engine's stores are single-threaded; metadata, however, hands copies of `d` to threads (OE-core's sstate checks do).
pub struct Gil<T>(T);

// SAFETY: the value is reachable only with a `Python` token, that is by the one thread that holds the interpreter lock. The crate is
// built for the abi3 of interpreters with that lock (free-threaded ones can't load it), and it never releases the lock while it
// borrows from the value.
unsafe impl<T> Send for Gil<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Gil<T> {}

impl<T> Gil<T> {
    /// Puts a value under the protection of the lock.
    pub fn new(_: Python<'_>, value: T) -> Self {
        Gil(value)
    }

    /// The value, for the holder of the lock.
    pub fn get(&self, _: Python<'_>) -> &T {
        &self.0
    }
}
