//! What the network may be used for: `BB_NO_NETWORK`, `BB_ALLOWED_NETWORKS`.
//!
//! Source: BitBake manual, variables of those names.

use super::error::FetchError;
use super::url::{Url, redact};

/// The rules for reaching other hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// No access at all (`BB_NO_NETWORK`).
    pub forbidden: bool,
    /// The hosts that may be reached (`BB_ALLOWED_NETWORKS`): names, or `*.` and a suffix. `None`: all.
    pub allowed: Option<Vec<String>>,
}

impl Network {
    /// Reads the value of `BB_ALLOWED_NETWORKS`; an empty one allows all.
    pub fn allowed_from(value: &str) -> Option<Vec<String>> {
        let hosts: Vec<_> = value.split(' ').filter(|host| !host.is_empty()).map(str::to_lowercase).collect();
        (!value.is_empty()).then_some(hosts)
    }

    /// Whether a URL's host may be reached, if anything may. URLs without host always may.
    pub fn trusts(&self, url: &str) -> bool {
        let Some(allowed) = self.allowed.as_ref().filter(|_| !self.forbidden) else { return true };
        let Ok(url) = Url::parse(url) else { return false };
        url.host.is_empty()
            || allowed.iter().any(|host| match host.strip_prefix('*') {
                Some(suffix) if suffix.starts_with('.') => format!(".{}", url.host).ends_with(suffix),
                _ => *host == url.host,
            })
    }

    /// Asks for access; `command` is what needs it.
    ///
    /// # Errors
    /// [`FetchError::Network`] or [`FetchError::Untrusted`].
    pub fn check(&self, command: &str, url: &str) -> Result<(), FetchError> {
        if self.forbidden {
            return Err(FetchError::Network { command: redact(command), url: redact(url) });
        }
        if self.trusts(url) { Ok(()) } else { Err(FetchError::Untrusted(redact(url))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of the rules in the BitBake manual.
    #[test]
    fn allowed_networks() {
        let url = "git://Someserver.org:8080/foo;rev=1";
        for (allowed, expected) in [
            ("", true),
            ("server1.org server2.org someserver.org", true),
            ("someserver.org:8080", false),
            ("*.someserver.org", true),
            ("*someserver.org", false),
            ("*.org", true),
            ("SOMEserver.ORG", true),
            ("*.server.org", false),
            (" ", false),
        ] {
            let network = Network { forbidden: false, allowed: Network::allowed_from(allowed) };
            assert_eq!(network.trusts(url), expected, "'{allowed}'");
            assert!(network.trusts("file:///a/b"));
            assert!(Network { forbidden: true, ..network }.trusts(url));
        }
        let sub = Network { forbidden: false, allowed: Network::allowed_from("*.someserver.org") };
        assert!(sub.trusts("git://git.someserver.org/foo") && !sub.trusts("git://awesomeserver.org/foo"));
    }

    #[test]
    fn texts() {
        let off = Network { forbidden: true, allowed: None };
        assert_eq!(
            off.check("wget x", "http://u:p@h/x").unwrap_err().to_string(),
            "Network access disabled through BB_NO_NETWORK (or set indirectly due to use of BB_FETCH_PREMIRRORONLY) but access requested with command wget x (for url http://u:***@h/x)"
        );
        let few = Network { forbidden: false, allowed: Network::allowed_from("a.b") };
        assert_eq!(
            few.check("wget x", "http://h/x").unwrap_err().to_string(),
            "The URL: 'http://h/x' is not trusted and cannot be used"
        );
    }
}
