//! Functions that metadata defines.
