use smtp_proto::wire::host::Host;

use crate::dns::Ourselves;

/// Whether a client's HELO or EHLO names this server: by a name, or by an address in brackets. Only we are that, and
/// we don't send mail to ourselves.
pub(super) fn claims_to_be(hello: &[u8], ourselves: &Ourselves) -> bool {
    match Host::parse(hello) {
        Ok(Host::Domain(domain)) => ourselves.has_name(domain.as_str().trim_end_matches('.')),
        Ok(Host::Literal(literal)) => literal.address().is_some_and(|address| ourselves.has_address(address)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_and_addresses_are_a_claim_to_be_us() {
        let us = Ourselves::alone(&["mx.example.org", "example.org"], &["192.0.2.9"]);
        for (hello, claims, why) in [
            (&b"mx.example.org"[..], true, "our host name"),
            (b"EXAMPLE.org", true, "a domain of ours"),
            (b"[192.0.2.9]", true, "our address"),
            (b"client.example.org", false, "somebody below our domain"),
            (b"[192.0.2.8]", false, "somebody else's address"),
            (b"192.0.2.9", false, "no literal: an error, but no claim"),
            (b"", false, "nothing"),
            (b"a b", false, "no name at all"),
            (b"\xFF", false, "no text"),
        ] {
            assert_eq!(claims_to_be(hello, &us), claims, "{}: {why}", hello.escape_ascii());
        }
    }
}
