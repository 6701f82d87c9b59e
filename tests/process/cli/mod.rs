//! Commands of the operator.

pub mod bounces;
pub mod commands;
pub mod imports;
pub mod retry;
pub mod rotation;
pub mod template;
