//! Rendering: what was evaluated as text for machines and for people. Pure, without IO.

pub mod exposition;
pub mod human;
pub mod json;
pub mod page;
pub mod reference;
pub mod rules;
pub mod slos;
pub mod snapshot;
pub mod table;

mod shown;
mod trend;

#[cfg(test)]
mod private;
#[cfg(test)]
mod rederived;
#[cfg(test)]
mod testing;
