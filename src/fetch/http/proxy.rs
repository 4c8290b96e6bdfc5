//! Which proxy a URL goes through: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, in either case.

use std::collections::BTreeMap;

/// Proxies by scheme, and the hosts that need none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    direct: Vec<String>,
}

impl Proxies {
    /// Reads them from an environment; names in lower case win.
    pub fn from_environment(environment: &BTreeMap<String, String>) -> Self {
        let value = |name: &str| {
            [name.to_owned(), name.to_uppercase()]
                .iter()
                .filter_map(|name| environment.get(name))
                .find(|value| !value.is_empty())
                .cloned()
        };
        let proxy = |name: &str| {
            let proxy = value(name).or_else(|| value("all_proxy"))?;
            Some(if proxy.contains("://") { proxy } else { format!("http://{proxy}") })
        };
        let direct = value("no_proxy").unwrap_or_default();
        let direct = direct
            .split([',', ' '])
            .map(|host| host.trim().trim_start_matches('*').trim_start_matches('.').to_lowercase())
            .filter(|host| !host.is_empty() || direct.trim() == "*")
            .collect();
        Proxies { http: proxy("http_proxy"), https: proxy("https_proxy"), direct }
    }

    /// The proxy for a URL, `None` for a direct connection.
    pub fn for_url(&self, scheme: &str, host: &str, port: Option<u16>) -> Option<&str> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
        let direct = self.direct.iter().any(|entry| {
            let (name, wanted) = match entry.rsplit_once(':') {
                Some((name, digits)) if !name.contains(':') => (name, digits.parse::<u16>().ok()),
                _ => (entry.as_str(), None),
            };
            let named = name.is_empty()
                || host == name
                || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
            named && (wanted.is_none() || wanted == port)
        });
        match scheme {
            _ if direct => None,
            "http" => self.http.as_deref(),
            "https" => self.https.as_deref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(pairs: &[(&str, &str)]) -> Proxies {
        Proxies::from_environment(
            &pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        )
    }

    /// The customs of curl and wget.
    #[test]
    fn rules() {
        let set = proxies(&[
            ("http_proxy", "http://p:1"),
            ("HTTP_PROXY", "http://q:1"),
            ("HTTPS_PROXY", "s:2"),
            ("no_proxy", "localhost, .example.org,*.example.com,h:81"),
        ]);
        for (scheme, host, port, expected) in [
            ("http", "a.org", None, Some("http://p:1")),
            ("https", "a.org", None, Some("http://s:2")),
            ("ftp", "a.org", None, None),
            ("http", "LOCALHOST", None, None),
            ("http", "www.example.org", None, None),
            ("http", "example.com", None, None),
            ("http", "badexample.org", None, Some("http://p:1")),
            ("http", "h", Some(80), Some("http://p:1")),
            ("http", "h", Some(81), None),
        ] {
            assert_eq!(set.for_url(scheme, host, port), expected, "{scheme} {host}");
        }
        let all = proxies(&[("all_proxy", "http://p"), ("no_proxy", "*")]);
        assert_eq!(all.for_url("http", "x", None), None);
        assert_eq!(proxies(&[("all_proxy", "http://p")]).for_url("https", "x", None), Some("http://p"));
    }
}
