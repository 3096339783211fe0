//! EXTERNAL (RFC 4422 appendix A): the identity is known from elsewhere, in SMTP from the client's certificate.

/// Reads the authorization identity asked for, empty when the client leaves it to the server; `None` when it is
/// not UTF-8 or holds NUL.
pub(super) fn parse(octets: &[u8]) -> Option<&str> {
    let authzid = core::str::from_utf8(octets).ok()?;
    (!authzid.contains('\0')).then_some(authzid)
}
