//! Rules that need no configuration to be understood: the U_API_ID ([`uapi`]), what parameters of an API must look like ([`params`]), and
//! expressions over what stands behind a request ([`Require`]). The configuration document compiles into them; which of them a request
//! meets, and in which order, is the engine's.

pub mod params;
mod require;
pub mod uapi;

pub use require::{Behind, Require, RequireError};
