//! Host names against the tenant's allow-list.

use airlock_core::limits::Egress;

use super::address::parse_network;

/// Whether guests may send requests to this host: an entry of `allow_hosts` is it, or is `*.` and a domain above it, or `*`.
///
/// # Errors
/// A sentence that names the host and what the policy allows.
pub fn check_host(egress: &Egress, host: &str) -> Result<(), String> {
    let name = normalized(host);
    if egress.allow_hosts.iter().any(|pattern| matches(&normalized(pattern), &name)) {
        return Ok(());
    }
    let allowed = match egress.allow_hosts.as_slice() {
        [] => "no host is".to_owned(),
        hosts => format!("allowed are {}", hosts.iter().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ")),
    };
    Err(format!("host `{name}` is not allowed by the tenant's `egress.allow_hosts` ({allowed})"))
}

/// Names compare without regard to case, to the brackets of an IPv6 address and to the dot that ends an absolute name.
fn normalized(host: &str) -> String {
    let host = host.trim();
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => {
            suffix.starts_with('.') && suffix.len() > 1 && name.len() > suffix.len() && name.ends_with(suffix)
        }
        None => !pattern.is_empty() && pattern == name,
    }
}

/// Every fault of a policy's egress part, each with its place; a policy is checked before it is stored, since a network that
/// cannot be read opens nothing.
#[must_use]
pub fn validate(egress: &Egress) -> Vec<(String, String)> {
    let hosts = egress.allow_hosts.iter().enumerate().filter_map(|(index, pattern)| {
        let place = format!("/egress/allow_hosts/{index}");
        let name = pattern.strip_prefix("*.").unwrap_or(pattern);
        let bare = pattern != "*" && (name.is_empty() || name.contains(['*', '/', '@', ' ']) || name.contains("://"));
        bare.then(|| {
            (
                place,
                format!(
                    "`{pattern}` is not a host; write `api.example.com`, `*.example.com` or `*`, without scheme or path"
                ),
            )
        })
    });
    let networks = egress.allow_networks.iter().enumerate().filter_map(|(index, network)| {
        parse_network(network).err().map(|fault| (format!("/egress/allow_networks/{index}"), fault))
    });
    hosts.chain(networks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(hosts: &[&str]) -> Egress {
        Egress { allow_hosts: hosts.iter().map(|&host| host.to_owned()).collect(), allow_networks: Vec::new() }
    }

    #[test]
    fn names_match_exactly_or_below_a_suffix() {
        for (pattern, host, allowed) in [
            ("api.example.com", "api.example.com", true),
            ("api.example.com", "API.Example.com.", true),
            ("API.example.com", "api.example.com", true),
            ("api.example.com", "api.example.com.evil.net", false),
            ("api.example.com", "xapi.example.com", false),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("*.example.com", ".example.com", false),
            ("*", "anything.at.all", true),
            ("*", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("::1", "[::1]", true),
            ("*example.com", "evilexample.com", false),
            ("", "", false),
        ] {
            assert_eq!(check_host(&policy(&[pattern]), host).is_ok(), allowed, "{pattern} {host}");
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_what_is_allowed() {
        assert_eq!(
            check_host(&policy(&["a.example", "*.b.example"]), "evil.example").unwrap_err(),
            "host `evil.example` is not allowed by the tenant's `egress.allow_hosts` (allowed are `a.example`, `*.b.example`)"
        );
        assert!(check_host(&policy(&[]), "evil.example").unwrap_err().contains("no host is"));
    }

    #[test]
    fn faults_of_a_policy_are_found_with_their_place() {
        let egress = Egress {
            allow_hosts: ["ok.example", "*.ok.example", "*", "https://bad.example/", "a*b"].map(str::to_owned).to_vec(),
            allow_networks: ["10.0.0.0/8", "fd00::/8", "::1", "10.0.0.0/33"].map(str::to_owned).to_vec(),
        };
        let places: Vec<String> = validate(&egress).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["/egress/allow_hosts/3", "/egress/allow_hosts/4", "/egress/allow_networks/3"]);
    }
}
