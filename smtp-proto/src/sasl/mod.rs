//! SASL exchanges without I/O (RFC 4422), as AUTH carries them (RFC 4954).

mod mechanism;

pub use mechanism::Mechanism;
