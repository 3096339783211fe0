//! LOGIN (draft-murchison-sasl-login): the server prompts for the user, then for the password.
//!
//! A client goes by the order of the prompts: their texts differ between servers, and some send none. The server
//! sends the two texts that every client in the field understands.

/// The first prompt.
pub(super) const USERNAME: &[u8] = b"Username:";

/// The second prompt.
pub(super) const PASSWORD: &[u8] = b"Password:";
