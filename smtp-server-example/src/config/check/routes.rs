//! What ways for mail can't be.

use super::{Checked, wrong};
use crate::config::route::TLS_PORT;
use crate::config::{Config, Route, RouteTls};

pub(super) fn check(config: &Config) -> Checked {
    if !config.relay.enabled && !config.route.is_empty() {
        let help = "leave the routes out, or set `relay.enabled`";
        return wrong("route.0", "a route, but nothing is sent to other hosts", help);
    }
    (0..config.route.len()).try_for_each(|i| {
        let (route, at) = (&config.route[i], |key: &str| format!("route.{i}.{key}"));
        credentials(route, &at)?;
        ports(route, &at)?;
        names(config, route, &at)?;
        reached(config, i)
    })
}

fn credentials(route: &Route, at: &dyn Fn(&str) -> String) -> Checked {
    let has_user = !route.user.is_empty();
    if has_user && route.hosts.is_empty() {
        let help = "give `hosts`: a secret is for whom you name, and not for whom DNS does";
        return wrong(at("user"), "a user, but no host to log in at", help);
    }
    if has_user && matches!(route.tls, RouteTls::Off | RouteTls::Opportunistic) {
        let what = "the secret would be sent without knowing to whom";
        return wrong(at("tls"), what, "use required or implicit, or leave `tls` out");
    }
    match (has_user, route.secret.is_empty()) {
        (true, true) => wrong(
            at("user"),
            "a user without a secret",
            "give `secret` too, best as ${file:/path} or ${env:NAME}",
        ),
        (false, false) => wrong(at("secret"), "a secret without a user", "give `user` too"),
        _ => route
            .secret
            .form()
            .or_else(|what| wrong(at("secret"), format!("`secret`: {what}"), "see `config show`")),
    }
}

fn ports(route: &Route, at: &dyn Fn(&str) -> String) -> Checked {
    if route.hosts.is_empty() && route.tls == RouteTls::Implicit {
        let what = "no host of a domain has TLS from the start (RFC 5321 knows port 25 alone)";
        return wrong(at("tls"), what, "use required, or give `hosts`");
    }
    let hosts: Vec<_> = route.hosts.iter().flat_map(|equals| &equals.0).collect();
    for (n, host) in hosts.iter().enumerate() {
        match (route.tls, host.port) {
            (RouteTls::Auto | RouteTls::Implicit, Some(TLS_PORT)) => {}
            (_, Some(TLS_PORT)) => {
                let what = "port 465 has TLS from the start (RFC 8314)";
                return wrong(at("hosts"), what, "use implicit, or another port");
            }
            (RouteTls::Implicit, Some(port @ (25 | 587))) => {
                let what = format!("port {port} has STARTTLS, not TLS from the start");
                return wrong(at("hosts"), what, "use required, or port 465");
            }
            _ => {}
        }
        if hosts[..n].contains(host) {
            return wrong(at("hosts"), format!("`{host}` is there twice"), "once is enough");
        }
    }
    Ok(())
}

/// What is for a domain of ours never leaves.
fn names(config: &Config, route: &Route, at: &dyn Fn(&str) -> String) -> Checked {
    for (n, pattern) in route.to.iter().enumerate() {
        let ours = |domain: &str| config.domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain));
        if let Some(domain) = pattern.domain().filter(|domain| ours(domain)) {
            let what = format!("`{domain}` is ours: its mail does not leave");
            return wrong(at(&format!("to.{n}")), what, "an alias can send on what comes for one address");
        }
    }
    Ok(())
}

fn reached(config: &Config, i: usize) -> Checked {
    match config.route[..i].iter().position(|before| before.covers(&config.route[i])) {
        Some(before) => wrong(
            format!("route.{i}"),
            format!("this route is never reached: route {} takes all of its mail", before + 1),
            "the first that matches is taken: put what is special before what is general",
        ),
        None => Ok(()),
    }
}
