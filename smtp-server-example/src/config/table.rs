//! Every key: what it is for, in which unit, and why its default is what it is.

/// One setting.
pub(super) struct Key {
    /// Its table and name. What has a table for each entry is in `LISTS`.
    pub(super) path: &'static str,
    pub(super) unit: &'static str,
    pub(super) required: bool,
    pub(super) why: &'static str,
}

/// Tables that come once for each entry: `[[listener]]`.
pub(super) const LISTS: &[&str] = &["listener", "user"];

const fn key(path: &'static str, unit: &'static str, why: &'static str) -> Key {
    Key { path, unit, required: false, why }
}

const fn required(path: &'static str, unit: &'static str, why: &'static str) -> Key {
    Key { path, unit, required: true, why }
}

/// In the order in which they are printed.
pub(super) const KEYS: &[Key] = &[
    required(
        "hostname",
        "domain",
        "This host's name: in the greeting, in Received and in file names. The one that DNS gives its address, since \
         other servers compare the two.",
    ),
    required(
        "domains",
        "list of domains",
        "Whose mail is taken. A sub-domain is another domain: list it too. Mail for any other domain is refused \
         with 550 5.7.1.",
    ),
    key(
        "data",
        "folder",
        "Holds a Maildir for each user. A relative path is taken from where the server was started.",
    ),
    key(
        "limits.message_octets",
        "octets",
        "Largest message, announced by SIZE (RFC 1870); a larger one is refused with 552 5.3.4. 50 MiB: what large \
         providers take, with the third that base64 adds.",
    ),
    key(
        "limits.recipients",
        "recipients per message",
        "Further ones are told 452 4.5.3 and come in another message; announced by LIMITS (RFC 9422). 1,000 is what \
         common servers allow; at least 100 have to be taken (RFC 5321 §4.5.3.1.8).",
    ),
    key(
        "limits.connections",
        "connections per listener",
        "Further ones are told 421. Each may hold a socket and a file; 250 leaves half of the usual 1,024 \
         descriptors free.",
    ),
    key(
        "limits.connections_per_address",
        "connections per listener",
        "From one IPv4 address or IPv6 /64; further ones are told 421. 50: a large sender opens about 20.",
    ),
    key(
        "limits.idle_seconds",
        "seconds",
        "Wait for the next command, then 421. 300 is the least that RFC 5321 §4.5.3.2.7 asks for.",
    ),
    key(
        "limits.drain_seconds",
        "seconds",
        "How long a shutdown waits for running transactions. 30 is less than the 90 after which systemd kills.",
    ),
    key(
        "tls.certificate",
        "PEM file",
        "The certificate and those that signed it, the server's own first. With one, STARTTLS is offered; empty is \
         none, as nobody can guess where it is.",
    ),
    key(
        "tls.key",
        "PEM file",
        "The certificate's private key (PKCS#8, PKCS#1 or SEC1). Nobody but the server should be able to read it.",
    ),
    key(
        "listener.kind",
        "mx, submission, submissions or lmtp",
        "Who comes here, one [[listener]] for each address. mx: other servers, with mail for `domains` alone (port \
         25). submission: users, who log in after STARTTLS (587). submissions: users, TLS from the start (465). lmtp: \
         your own programs, mail for `domains` alone.",
    ),
    key(
        "listener.address",
        "IP address and port, or unix:path",
        "Where to listen. Port 0 takes a free one. 127.0.0.1:2525 needs no root and can't be reached from outside; a \
         mail server proper listens on [::]:25.",
    ),
    key(
        "listener.proxies",
        "list of addresses and networks",
        "Balancers: connections from there must begin with a PROXY header (version 1 or 2), which says who the client \
         is. From anybody else a PROXY header ends the connection, so none are trusted unless listed.",
    ),
    required(
        "user.name",
        "local part",
        "Who gets mail, one [[user]] for each: name@ every domain of `domains`. Case makes no difference. postmaster \
         exists always (RFC 5321 §4.5.1).",
    ),
    key(
        "user.mailbox",
        "folder",
        "This user's Maildir, below `data` unless it is absolute. The name, if not given.",
    ),
];
