//! Packages of both families, and images of containers: what archives say of them, and what is inside.

pub mod compress;
pub mod deb;
pub mod oci;
pub mod rpm;
