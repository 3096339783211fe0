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
pub(super) const LISTS: &[&str] = &["route", "listener", "domain", "user", "alias", "blocklist"];

/// Those of them that are empty in an example.
pub(super) const OPTIONAL: &[&str] = &["route", "domain", "blocklist"];

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
        "users_file",
        "file below data, or an absolute path",
        "Who can log in: written by the `user` commands, and by the server when a password that was right gives new \
         keys. Beside the mail, as the server can write there.",
    ),
    key(
        "catch_all",
        "user or address",
        "Who gets what nobody of that name has, at every domain; `@example.org` as an alias does so for one domain. \
         Empty is nobody: an unknown recipient is refused, so that the sender learns of the slip.",
    ),
    key(
        "tag_separator",
        "text",
        "What begins a tag: alice+shop@ is alice@. Empty is no tags. + is what most servers take.",
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
        "limits.memory_octets",
        "octets",
        "What all sessions together may hold in memory: 16 KiB each, and for each message at most 144 KiB, as larger ones go \
         to the disk, and 512 octets a recipient. Beyond, new messages are told 452 4.3.1 and new clients 421 4.3.2; what has \
         begun goes on. 256 MiB: some 1,600 messages at once.",
    ),
    key(
        "limits.group_memory_percent",
        "percent of the control group's memory",
        "What may be used of the memory that the control group may have (MemoryMax= and MemoryHigh= of systemd, a \
         container's limit), without what the system holds of files and can have back: from 70 % of that on idle clients \
         make room, from 90 % on other servers are told 421. Without such a limit there is nothing to look at; 0 looks at \
         none. 75: beyond the limit the system kills, and it is looked at once a second.",
    ),
    key(
        "limits.disk_reserve_percent",
        "percent of the disk",
        "What stays free: a message that would take of it, with all that were announced by SIZE (RFC 1870) or are coming \
         in, is told 452 4.3.1 at MAIL. Mail that is here is delivered all the same. 5: what the system keeps for itself.",
    ),
    key(
        "limits.inode_reserve_percent",
        "percent of the disk's files",
        "The same for the number of files that find place, where it has a bound: each mail in a Maildir is one.",
    ),
    key(
        "limits.idle_seconds",
        "seconds",
        "Wait for the next command, then 421. 300 is the least that RFC 5321 §4.5.3.2.7 asks for.",
    ),
    key(
        "limits.verdict_seconds",
        "seconds",
        "How long all that has to be done after a message's end may take, scanners and disk, then 451. A client waits \
         for 600 (RFC 5321 §4.5.3.2.6) or gives up sooner; one that has given up sends the message again, so that a \
         late 250 makes two of it. 240 leaves room for a slow way back.",
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
         none, as nobody can guess where it is. A renewed one is shown within seconds, if its key is its own.",
    ),
    key(
        "tls.key",
        "PEM file",
        "The certificate's private key (PKCS#8, PKCS#1 or SEC1). Nobody but the server should be able to read it.",
    ),
    key(
        "auth.allow_insecure_auth",
        "true or false",
        "Takes log-in without TLS, so that passwords cross the network in clear text. For tests on loopback.",
    ),
    key(
        "auth.argon2_memory_kib",
        "KiB",
        "Memory that checking a password takes (argon2id). 19 MiB with two passes is what OWASP asks for; who steals \
         the file needs as much for each guess.",
    ),
    key("auth.argon2_passes", "passes", "Time that checking a password takes; see `argon2_memory_kib`."),
    key(
        "auth.checks_at_once",
        "checks",
        "Passwords checked at a time; further ones wait. 4 bound the memory to 76 MiB.",
    ),
    key(
        "auth.scram_iterations",
        "iterations",
        "Of the keys for SCRAM-SHA-256. RFC 7677 §4 asks for 4,096 or more; each log-in costs the client these, and a \
         telephone does 15,000 in some hundredths of a second.",
    ),
    key(
        "auth.failures_per_address",
        "failures in the window",
        "From one IPv4 address or IPv6 /64, then 454 without a look at the password. The same wrong password counts \
         once. 20 leave room for an office behind one address; this machine itself is never shut out.",
    ),
    key(
        "auth.failures_per_account",
        "failures in the window",
        "For one account from anywhere, then 454, but for addresses from which it was logged in to before: its owner \
         comes in while strangers guess. 50 guesses in an hour find no password worth the name.",
    ),
    key("auth.failure_window_seconds", "seconds", "After which failures are forgotten. An hour."),
    key(
        "auth.failure_delay_ms",
        "milliseconds",
        "Wait before a wrong password is answered, times the failures so far, 10 s at most. A second is nothing to \
         somebody who mistyped.",
    ),
    key(
        "submission.check_from",
        "true or false",
        "Whether the addresses in From must be the user's own, as the sender must always be (RFC 6409 §6.1). Else \
         anybody here could write in anybody's name.",
    ),
    key(
        "submission.show_client",
        "true or false",
        "Whether Received tells recipients the user's address and host name. Where people are is nobody's business.",
    ),
    key(
        "submission.messages_per_hour",
        "messages per user and hour",
        "Further ones are taken and held, as many again, until there is room in the hour or the operator releases them; \
         beyond that, 451. A person sends fewer than 200; a stolen password sends thousands.",
    ),
    key(
        "submission.recipients_per_hour",
        "recipients per user and hour",
        "As `messages_per_hour`, since one message can go to many. 1,000: a club's letter passes.",
    ),
    key(
        "dns.servers",
        "list of IP addresses and ports",
        "The resolvers to ask, in this order. None: those of /etc/resolv.conf. Blocklists refuse the questions of \
         public resolvers, so run your own on 127.0.0.1:53; one that validates DNSSEC.",
    ),
    key(
        "dns.timeout_seconds",
        "seconds",
        "Wait for an answer, then the question is asked once more. 5 is what resolvers have.",
    ),
    key(
        "dns.own_addresses",
        "list of IP addresses",
        "Addresses of this server that its interfaces don't have, such as the outer one of a NAT: no mail is sent to \
         them, and a client that names one in EHLO is none of ours.",
    ),
    key(
        "queue.retry_first_seconds",
        "seconds",
        "From the first failure of a delivery to the second try. RFC 5321 §4.5.4.1 wants 30 minutes on the average and \
         allows for more haste at first; 120: a host that greylists takes mail after some minutes.",
    ),
    key(
        "queue.retry_growth_percent",
        "percent",
        "How waits grow from try to try, and with them the pauses of destinations that can't be reached. 180: ten tries \
         in the first six hours. 100 is no growth.",
    ),
    key(
        "queue.retry_most_seconds",
        "seconds",
        "Longest wait between two tries: a host that is back gets its mail within 2 hours.",
    ),
    key(
        "queue.give_up_seconds",
        "seconds",
        "When mail that could not be delivered goes back to its sender. 5 days: RFC 5321 §4.5.4.1 asks for 4 to 5.",
    ),
    key(
        "queue.give_up_notices_seconds",
        "seconds",
        "The same for notifications of ours, which nobody waits for: a day.",
    ),
    key(
        "queue.delay_notice_seconds",
        "seconds",
        "When the sender is told that mail is late and still tried, once, unless NOTIFY says otherwise (RFC 3461 \
         §4.1). 4 hours: most hosts that are down are back by then.",
    ),
    key(
        "queue.pause_first_seconds",
        "seconds",
        "How long a destination that can't be reached is left alone, before one delivery of those that wait asks it \
         again. 60: one connection in a minute is no burden.",
    ),
    key("queue.pause_most_seconds", "seconds", "Longest such pause; pauses grow as waits do. 30 minutes."),
    key(
        "queue.deliveries_per_destination",
        "deliveries at once",
        "Most that are tried at once for one domain. Each begins with 5, and gains one with each that its hosts \
         answered; large receivers refuse more than 20 connections from whom they don't know.",
    ),
    key(
        "queue.deliveries",
        "deliveries at once",
        "Most that are tried at once for all destinations, which take turns. Each may hold a socket and a file.",
    ),
    key(
        "queue.hold_unknown",
        "true or false",
        "Whether mail waits for the operator that another host may have taken, as no answer came after its final dot. \
         false: it is sent again, since twice is better than never (RFC 1047).",
    ),
    key(
        "queue.keep_done_seconds",
        "seconds",
        "How long `trace` and `queue show` know what was done: senders, recipients, addresses and replies, but no \
         content, which goes when nobody waits for it. 30 days: people ask after holidays; less where the law wants \
         less kept.",
    ),
    key(
        "relay.enabled",
        "true or false",
        "Whether mail is sent to other hosts: what users submit, what aliases lead elsewhere, notifications. Other servers \
         never send through here, whatever this says. Off, such recipients are refused with 550 5.7.1.",
    ),
    key(
        "relay.hello",
        "domain",
        "The name that EHLO bears. Empty is `hostname`. The address that mail comes from has to have that name in DNS.",
    ),
    key("relay.port", "port", "Where hosts of domains listen. 25, but for tests (RFC 5321 §4.5.4.2)."),
    key(
        "relay.source_addresses",
        "list of IP addresses",
        "What to connect from: at most one address of each family; a family without one is not used then. Empty leaves \
         it to the system.",
    ),
    key(
        "relay.allowed_targets",
        "list of networks",
        "Loopback and link-local addresses that mail may be sent to though a record in DNS names them. None: such a \
         record would have this server talk to its own machine.",
    ),
    key(
        "relay.tls",
        "off, opportunistic or required",
        "opportunistic: STARTTLS where a host offers it, whoever's its certificate is (RFC 7435), and in clear on a new \
         connection where it breaks. required: with a certificate that is right, or not at all; most domains' mail waits \
         then in vain.",
    ),
    key(
        "relay.connections_per_host",
        "connections",
        "Most to one address of a host at a time, for all domains that it serves. Large receivers refuse more from \
         whom they don't know.",
    ),
    key(
        "relay.messages_per_connection",
        "messages",
        "Most over one connection, so that no host is held on to; LIMITS MAILMAX (RFC 9422) is obeyed besides.",
    ),
    key(
        "relay.idle_seconds",
        "seconds",
        "How long a connection is kept for the next message. Some hosts close after 30, and many count those that \
         idle.",
    ),
    key(
        "relay.connect_seconds",
        "seconds",
        "How long one address may take to answer a connection; then the next has its turn. Hosts that are there answer \
         within one.",
    ),
    key(
        "relay.dead_host_seconds",
        "seconds",
        "How long an address that could not be reached is passed over, for all domains that it serves; then one message \
         asks it, and the others go on passing it over. A minute's mail would wait for connect_seconds else, message by \
         message. 0: each message asks.",
    ),
    key(
        "relay.answer_seconds",
        "seconds",
        "How long a host may take for its greeting and each answer. 300: RFC 5321 §4.5.3.2 asks for 5 minutes; DATA \
         and blocks of content have the 2 and 3 that it names.",
    ),
    key(
        "relay.final_answer_seconds",
        "seconds",
        "How long a host may take to answer the final dot. 600: RFC 5321 §4.5.3.2.6 asks for 10 minutes; with less, \
         mail that was taken is sent twice.",
    ),
    key(
        "route.to",
        "list of domains, *.domains and addresses",
        "Whose mail goes this way, one [[route]] for each way. Of those that match sender and recipient the first in the \
         file is taken, so what is special stands before what is general; mail that no route matches goes by MX. \
         example.org is that domain alone, *.example.org all below it. Empty is everybody.",
    ),
    key(
        "route.from",
        "list of domains, *.domains, addresses and <>",
        "Whose senders' mail goes this way: the one in the envelope, which bounces go to. <> is that of notifications. \
         Empty is everybody.",
    ),
    key(
        "route.hosts",
        "list of hosts with ports",
        "Smart hosts, which take mail for others: a name or an address, each with its port. The next one is tried when one \
         can't be reached or says 4yz; hosts with | between them are as good as each other and take turns. Their own \
         addresses are looked up, no MX. Without a port it is 465 for implicit TLS, 587 with a user, else 25. Empty is \
         the recipient's own hosts, by MX.",
    ),
    key(
        "route.tls",
        "auto, off, opportunistic, required or implicit",
        "off, opportunistic and required as for `relay.tls`; implicit: TLS from the start, with a certificate that is \
         right. auto: implicit on port 465, required with a user, else as `relay.tls` says.",
    ),
    key(
        "route.user",
        "text",
        "The name to log in with. Name and secret are sent under TLS to a host whose certificate is right, or not at all: \
         mail waits then, and the log says so. Empty is nobody.",
    ),
    key(
        "route.secret",
        "text, ${file:/path} or ${env:NAME}",
        "The password that goes with `user`, itself or where it is: a file, of which a line end at its end is left out, \
         or a variable. It is read for each delivery, so that a new one holds at once, and it is never shown.",
    ),
    key(
        "checks.stage",
        "connect, hello, mail or rcpt",
        "Where in a session a client that fails the checks is told so. rcpt: the log then names sender and recipient, \
         and postmaster can be reached (RFC 5321 §4.5.1). Users who log in are never checked.",
    ),
    key(
        "checks.blocklist_weight",
        "weight",
        "From this sum of the weights of all lists that have a client it is refused with 554 5.7.1 and what the list \
         says. 1: any one list is enough.",
    ),
    key(
        "checks.reverse_dns",
        "off, log or refuse",
        "A client whose address has no name in DNS that leads back to it; refused with 550 5.7.25 (RFC 7372). Off, as \
         some honest servers have none. Where DNS fails nobody is refused. With log or refuse, Received tells the name.",
    ),
    key(
        "checks.hello",
        "off, log or refuse",
        "A client that calls itself by this server's name, one of its domains or its address; refused with 550 5.7.1. \
         Only software that wants to pass for us does so.",
    ),
    key(
        "checks.connections_per_minute",
        "connections per minute",
        "From one IPv4 address or IPv6 /64, on all listeners for other servers; further ones are told 421. 0 is no \
         limit. 60: a large sender keeps its connections open.",
    ),
    key(
        "checks.messages_per_minute",
        "messages per minute",
        "From one IPv4 address or IPv6 /64; further ones are told 451 4.7.1 at MAIL and come later. 0 is no limit. \
         120: a mailing list with many subscribers here takes some minutes.",
    ),
    key(
        "checks.exempt",
        "list of networks",
        "Clients that none of these checks concerns. Loopback, as what runs on this machine is the operator's own.",
    ),
    key(
        "scan.clamav",
        "off, IP address and port, or unix:path",
        "Where clamd listens, which looks for malware: 127.0.0.1:3310 or unix:/run/clamav/clamd.ctl. It reads while the \
         message comes in; what is infected is refused with 550 5.7.1. Its StreamMaxLength should not be below \
         `limits.message_octets`.",
    ),
    key(
        "scan.rspamd",
        "off, IP address and port, or unix:path",
        "Where rspamd's normal worker listens, which weighs junk: 127.0.0.1:11333. It decides between a mark \
         (X-Spam-Status), 451 4.7.1 and 550 5.7.1.",
    ),
    key(
        "scan.on_error",
        "defer or pass",
        "What happens to a message that can't be scanned, as the scanner is down, slow or answers garbage: 451 4.7.1, or \
         a mark that says `unscanned`. defer: a scanner comes back, an infection stays. Mail of users is never deferred \
         for want of rspamd.",
    ),
    key(
        "scan.timeout_seconds",
        "seconds",
        "Longest wait for a scanner, each time it has to read or to answer. 60: a large archive takes that, and a client \
         waits ten minutes (RFC 5321 §4.5.3.2.6).",
    ),
    key(
        "metrics.listen",
        "off, or IP address and port",
        "Where Prometheus asks for figures, at /metrics: 127.0.0.1:9925. Loopback alone, as they tell who writes how much; \
         off, as not everybody has Prometheus.",
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
        "domain.name",
        "domain",
        "A domain whose mail is delivered in another way, one [[domain]] for each. It need not be in `domains` too.",
    ),
    key(
        "domain.delivery",
        "maildir, or lmtp: and an IP address and port or unix:path",
        "Who puts mail into mailboxes. maildir: this server, below `data`. lmtp:unix:/run/dovecot/lmtp or \
         lmtp:127.0.0.1:24: a server that speaks LMTP (RFC 2033), such as Dovecot; it is given the user's name, with \
         the domain behind it where the name has none.",
    ),
    required(
        "user.name",
        "local part or address",
        "Who gets mail, one [[user]] for each: name@ every domain of `domains`, or a whole address for one domain \
         alone. Case makes no difference. postmaster exists always (RFC 5321 §4.5.1). Passwords are set by `user \
         passwd`, which also adds users that are not here.",
    ),
    key(
        "user.mailbox",
        "folder",
        "This user's Maildir, below `data` unless it is absolute. The name, if not given.",
    ),
    key(
        "user.senders",
        "list of addresses and @domains",
        "Whose names this user may send in besides their own address and the aliases that lead to them alone.",
    ),
    required(
        "alias.address",
        "local part, address or @domain",
        "An address that stands for others, one [[alias]] for each: at every domain, at one, or, as @example.org, \
         whatever nobody has there.",
    ),
    required(
        "alias.to",
        "list of users, aliases and addresses",
        "Who gets its mail. With the alias's own name among them the user of that name keeps a copy.",
    ),
    key(
        "alias.sender",
        "address",
        "In whose name its mail goes on. None: in that of whoever wrote, who is told of failures by the addresses behind \
         the alias. With one it is a list: those reports go to this address, a list's owner (RFC 5321 §3.9.2), and who \
         wrote does not learn who is behind it (RFC 3461 §5.2.7.4). Other aliases can't lead to it.",
    ),
    required(
        "blocklist.zone",
        "domain",
        "A list in DNS of addresses that send junk, or of good ones (RFC 5782), one [[blocklist]] for each. It is \
         tested at the start and each hour; one that does not work is switched off until it does, and the log says so.",
    ),
    key(
        "blocklist.weight",
        "weight",
        "What being listed counts; see `checks.blocklist_weight`. Below 0 for a list of good addresses.",
    ),
    key(
        "blocklist.accept",
        "list of networks",
        "The codes that count as a listing; see the list's own documentation. 127.255.255.0/24 never does: so a list \
         says that it refuses to answer. Neither does anything outside of 127.0.0.0/8.",
    ),
    key("blocklist.ipv4", "true or false", "Whether the list has IPv4 addresses; almost every one has."),
    key(
        "blocklist.ipv6",
        "true or false",
        "Whether the list has IPv6 addresses; few have, and it is tested.",
    ),
];
