//! Packages of both families: what archives say of them, and what is inside.

pub mod compress;
pub mod deb;
pub mod rpm;
