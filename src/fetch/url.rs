//! URLs as `SRC_URI` has them: parameters after the first `;`, relative `file://` paths, mirror patterns.
//!
//! Source: BitBake manual, section "File Download Support".

use std::fmt;

use super::error::FetchError;

/// Parameters of a URL in their order; one given without `=` has no value.
pub type Params = Vec<(String, Option<String>)>;

/// A URL taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// The scheme, in lower case.
    pub scheme: String,
    /// `user` or `user:password`, as written.
    pub userinfo: String,
    /// The host, in lower case.
    pub host: String,
    /// The port, if one is given.
    pub port: Option<u16>,
    /// The path, percent-decoded.
    pub path: String,
    /// The query's parts.
    pub query: Params,
    /// The parameters behind the first `;`.
    pub params: Params,
    /// Whether the path has no host and no root, as in `file:name`.
    relative: bool,
}

/// Schemes whose URLs may be relative.
const RELATIVE: [&str; 2] = ["file", "git"];

impl Url {
    /// Reads a URL; variables in it are expanded already.
    ///
    /// # Errors
    /// [`FetchError::Malformed`] if its port is not a number up to 65535.
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        let (uri, params) = match text.split_once(';') {
            Some((uri, params)) => (uri, split_params(params, ';')),
            None => (text, Params::new()),
        };
        let uri: String = uri
            .trim_start_matches(|letter: char| letter <= ' ')
            .chars()
            .filter(|letter| !matches!(letter, '\t' | '\r' | '\n'))
            .collect();
        let (scheme, rest) = split_scheme(&uri);
        let file = scheme == "file";
        // A file has no host: what follows two slashes, but not three, is a relative path.
        let rest = match rest.strip_prefix("//") {
            Some(path) if file && !path.starts_with('/') => path,
            _ => rest,
        };
        let relative = RELATIVE.contains(&scheme.as_str()) && !rest.starts_with("//");
        let (authority, rest) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, split_params(query, '&')),
            None => (rest, Params::new()),
        };
        let mut url = Url { scheme, query, params, ..Url::default() };
        if !relative {
            let (userinfo, hostport) = authority.rsplit_once('@').unwrap_or(("", authority));
            let (host, port) = match hostport.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((host, port)) => (host, port.strip_prefix(':')),
                None => match hostport.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (hostport, None),
                },
            };
            url.host = host.to_lowercase();
            url.port = match port {
                None | Some("") => None,
                Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Some(port.parse().map_err(|_| FetchError::malformed(text))?)
                }
                Some(_) => return Err(FetchError::malformed(text)),
            };
            url.userinfo = match userinfo.split_once(':') {
                Some((user, "")) => user.to_owned(),
                _ => userinfo.to_owned(),
            };
        }
        url.set_path(unquote(path));
        Ok(url)
    }

    /// Sets the path, not percent-encoded; whether the URL is relative follows from it.
    pub fn set_path(&mut self, path: String) {
        self.relative = !path.is_empty() && !path.starts_with('/');
        self.path = path;
    }

    /// `host:port`, or the host alone.
    pub fn hostport(&self) -> String {
        match self.port {
            Some(port) if port != 0 => format!("{}:{port}", self.host),
            _ => self.host.clone(),
        }
    }

    /// The user, `""` if none.
    pub fn user(&self) -> &str {
        self.userinfo.split_once(':').map_or(self.userinfo.as_str(), |(user, _)| user)
    }

    /// The password, `""` if none.
    pub fn password(&self) -> &str {
        self.userinfo.split_once(':').map_or("", |(_, password)| password)
    }

    /// A parameter's value: `None` if it is absent, `Some("")` if it was given without one.
    pub fn param(&self, name: &str) -> Option<&str> {
        param(&self.params, name)
    }

    /// The last part of the path.
    pub fn basename(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The tokens that the rest of the fetcher works with; an empty path is `/` here.
    pub fn decode(&self) -> Decoded {
        Decoded {
            scheme: self.scheme.clone(),
            host: self.hostport(),
            path: if self.path.is_empty() { "/".into() } else { self.path.clone() },
            user: self.user().to_owned(),
            password: self.password().to_owned(),
            params: self.params.clone(),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, if self.relative { "" } else { "//" })?;
        if !self.userinfo.is_empty() {
            write!(f, "{}@", self.userinfo)?;
        }
        write!(f, "{}{}", self.hostport(), quote(&self.path))?;
        for (index, (name, value)) in self.query.iter().enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match value.as_deref() {
                None | Some("") => f.write_str(name)?,
                Some(value) => write!(f, "{name}={value}")?,
            }
        }
        write_params(f, &self.params)
    }
}

/// The tokens of a URL (`bb.fetch2.decodeurl`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The scheme.
    pub scheme: String,
    /// Host and port.
    pub host: String,
    /// The path, percent-decoded.
    pub path: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
    /// The parameters.
    pub params: Params,
}

impl Decoded {
    /// Reads a URL or a mirror pattern, whose parts may be regular expressions (`bb.fetch2.decodemirrorurl`).
    ///
    /// # Errors
    /// [`FetchError::Malformed`] for what is no URL, and for a parameter without a value.
    pub fn mirror(text: &str) -> Result<Self, FetchError> {
        let malformed = || FetchError::malformed(text);
        let (uri, parameters) = match text.split_once(';') {
            Some((uri, parameters)) => (uri, parameters),
            None => (text, ""),
        };
        let (scheme, rest) = uri.split_once("://").ok_or_else(malformed)?;
        if scheme.contains(':') || rest.is_empty() {
            return Err(malformed());
        }
        let mut decoded = Decoded { scheme: scheme.to_owned(), ..Decoded::default() };
        if scheme.eq_ignore_ascii_case("file") {
            decoded.path = unquote(rest);
        } else {
            let authority_end = rest.find('/').unwrap_or(rest.len());
            let location = match rest.get(..authority_end).and_then(|authority| authority.rfind('@')) {
                Some(at) if at > 0 && at + 1 < rest.len() => {
                    let (userinfo, location) = rest.split_at(at);
                    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                    decoded.user = user.to_owned();
                    decoded.password = password.to_owned();
                    location.strip_prefix('@').unwrap_or(location)
                }
                _ => rest,
            };
            let (host, path) = location.split_at(location.find('/').unwrap_or(location.len()));
            decoded.host = host.to_owned();
            decoded.path = if path.is_empty() { "/".into() } else { unquote(path) };
        }
        for parameter in parameters.split(';').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or_else(|| {
                FetchError::Malformed(format!(
                    "The URL: '{}' is invalid: parameter {parameter} does not specify a value (missing '=')",
                    redact(text)
                ))
            })?;
            set_param(&mut decoded.params, name, Some(value.to_owned()));
        }
        Ok(decoded)
    }

    /// Puts the tokens together again (`bb.fetch2.encodeurl`): slashes in the path are made single, and a query is
    /// not kept.
    ///
    /// # Errors
    /// [`FetchError::MissingParameter`] without a scheme.
    pub fn encode(&self) -> Result<String, FetchError> {
        if self.scheme.is_empty() {
            return Err(FetchError::MissingParameter {
                parameter: "type".into(),
                url: format!("encoded from the data {}", self.path),
            });
        }
        let file = self.scheme == "file";
        let mut path = self.path.clone();
        while path.contains("//") {
            path = path.replace("//", "/");
        }
        let mut text = format!("{}:", self.scheme);
        if file || path.is_empty() || path.starts_with('/') {
            text.push_str("//");
        }
        if !file {
            if !self.user.is_empty() {
                text.push_str(&self.user);
                if !self.password.is_empty() {
                    text.push(':');
                    text.push_str(&self.password);
                }
                text.push('@');
            }
            text.push_str(&self.host);
        }
        text.push_str(&quote(&path));
        struct Tail<'a>(&'a Params);
        impl fmt::Display for Tail<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_params(f, self.0)
            }
        }
        text.push_str(&Tail(&self.params).to_string());
        Ok(text)
    }

    /// A parameter's value: `None` if it is absent, `Some("")` if it was given without one.
    pub fn param(&self, name: &str) -> Option<&str> {
        param(&self.params, name)
    }
}

/// Hides the password of a URL, for messages: what is logged may be read by others.
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, tail) = rest.split_at(rest.find(['/', ';', '?', '#']).unwrap_or(rest.len()));
    let mut shown = match authority.rsplit_once('@').map(|(info, host)| (info.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{scheme}://{user}:***@{host}"),
        _ => format!("{scheme}://{authority}"),
    };
    for (index, part) in tail.split(';').enumerate() {
        if index > 0 {
            shown.push(';');
        }
        shown.push_str(if index > 0 && part.starts_with("pswd=") { "pswd=***" } else { part });
    }
    shown
}

fn write_params(f: &mut fmt::Formatter<'_>, params: &Params) -> fmt::Result {
    params.iter().try_for_each(|(name, value)| match value {
        Some(value) => write!(f, ";{name}={value}"),
        None => write!(f, ";{name}"),
    })
}

fn param<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_deref().unwrap_or_default())
}

/// Sets a parameter, where it stands if it is there already.
pub(super) fn set_param(params: &mut Params, name: &str, value: Option<String>) {
    match params.iter_mut().find(|(key, _)| key == name) {
        Some((_, old)) => *old = value,
        None => params.push((name.to_owned(), value)),
    }
}

fn split_params(text: &str, separator: char) -> Params {
    let mut params = Params::new();
    for part in text.split(separator).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((name, value)) => set_param(&mut params, name, Some(value.to_owned())),
            None => set_param(&mut params, part, None),
        }
    }
    params
}

fn split_scheme(text: &str) -> (String, &str) {
    let valid = |scheme: &str| {
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match text.split_once(':') {
        Some((scheme, rest)) if valid(scheme) => (scheme.to_ascii_lowercase(), rest),
        _ => (String::new(), text),
    }
}

/// Percent-encodes all but letters, digits and `_.-~/`.
pub fn quote(text: &str) -> String {
    use fmt::Write as _;
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~/".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted
}

/// Decodes percent-encoding; what is not UTF-8 becomes U+FFFD, and a `%` without two digits stays.
pub fn unquote(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high << 4 | low).unwrap_or_default());
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        split_params(text, ';')
    }

    /// Expected values from BitBake 2.19: URL, then scheme, host, path, user, password, parameters, `str(URI)`,
    /// and the tokens encoded again.
    const URLS: &[[&str; 9]] = &[
        [
            "http://www.example.com/index.html",
            "http",
            "www.example.com",
            "/index.html",
            "",
            "",
            "",
            "http://www.example.com/index.html",
            "http://www.example.com/index.html",
        ],
        [
            "http://www.example.com/index.html;param1=value1",
            "http",
            "www.example.com",
            "/index.html",
            "",
            "",
            "param1=value1",
            "http://www.example.com/index.html;param1=value1",
            "http://www.example.com/index.html;param1=value1",
        ],
        [
            "http://user:pass@example.com/a%20b/c",
            "http",
            "example.com",
            "/a b/c",
            "user",
            "pass",
            "",
            "http://user:pass@example.com/a%20b/c",
            "http://user:pass@example.com/a%20b/c",
        ],
        [
            "http://user@example.com;user=x",
            "http",
            "example.com",
            "/",
            "user",
            "",
            "user=x",
            "http://user@example.com;user=x",
            "http://user@example.com/;user=x",
        ],
        [
            "file:///somewhere/http/a b",
            "file",
            "",
            "/somewhere/http/a b",
            "",
            "",
            "",
            "file:///somewhere/http/a%20b",
            "file:///somewhere/http/a%20b",
        ],
        [
            "file://example/rel.txt;unpack=0",
            "file",
            "",
            "example/rel.txt",
            "",
            "",
            "unpack=0",
            "file:example/rel.txt;unpack=0",
            "file://example/rel.txt;unpack=0",
        ],
        ["file:rel.txt", "file", "", "rel.txt", "", "", "", "file:rel.txt", "file://rel.txt"],
        ["file://a%20b.patch", "file", "", "a b.patch", "", "", "", "file:a%20b.patch", "file://a%20b.patch"],
        [
            "git://user:p%40ss@git.example.com:99/x;branch=a;branch=b",
            "git",
            "git.example.com:99",
            "/x",
            "user",
            "p%40ss",
            "branch=b",
            "git://user:p%40ss@git.example.com:99/x;branch=b",
            "git://user:p%40ss@git.example.com:99/x;branch=b",
        ],
        [
            "git:relative/path.git",
            "git",
            "",
            "relative/path.git",
            "",
            "",
            "",
            "git:relative/path.git",
            "git:relative/path.git",
        ],
        [
            "ssh://git@host.org/~me/x.git",
            "ssh",
            "host.org",
            "/~me/x.git",
            "git",
            "",
            "",
            "ssh://git@host.org/~me/x.git",
            "ssh://git@host.org/~me/x.git",
        ],
        [
            "https://h/a//b///c.tgz",
            "https",
            "h",
            "/a//b///c.tgz",
            "",
            "",
            "",
            "https://h/a//b///c.tgz",
            "https://h/a/b/c.tgz",
        ],
        ["https://h?x", "https", "h", "/", "", "", "", "https://h?x", "https://h/"],
        ["https://h/p?q=1&q=2&z=", "https", "h", "/p", "", "", "", "https://h/p?q=2&z", "https://h/p"],
        ["https://h/p#frag;a=b", "https", "h", "/p", "", "", "a=b", "https://h/p;a=b", "https://h/p;a=b"],
        [
            "http://h/%E9%zz%",
            "http",
            "h",
            "/\u{fffd}%zz%",
            "",
            "",
            "",
            "http://h/%EF%BF%BD%25zz%25",
            "http://h/%EF%BF%BD%25zz%25",
        ],
        [
            "npm://registry;package=@a/b;version=1",
            "npm",
            "registry",
            "/",
            "",
            "",
            "package=@a/b;version=1",
            "npm://registry;package=@a/b;version=1",
            "npm://registry/;package=@a/b;version=1",
        ],
        [
            "apt://bash=5.2/stable;repo=base",
            "apt",
            "bash=5.2",
            "/stable",
            "",
            "",
            "repo=base",
            "apt://bash=5.2/stable;repo=base",
            "apt://bash=5.2/stable;repo=base",
        ],
        ["http://h/;a==b;;c=", "http", "h", "/", "", "", "a==b;c=", "http://h/;a==b;c=", "http://h/;a==b;c="],
        ["git+x-y://h/p", "git+x-y", "h", "/p", "", "", "", "git+x-y://h/p", "git+x-y://h/p"],
        ["http://h:/p", "http", "h", "/p", "", "", "", "http://h/p", "http://h/p"],
        [
            "gomod://h/M!x@v1",
            "gomod",
            "h",
            "/M!x@v1",
            "",
            "",
            "",
            "gomod://h/M%21x%40v1",
            "gomod://h/M%21x%40v1",
        ],
        ["noscheme/path", "", "", "noscheme/path", "", "", "", ":noscheme/path", ""],
        ["/abs/path", "", "", "/abs/path", "", "", "", ":///abs/path", ""],
        ["1http://h/p", "", "", "1http://h/p", "", "", "", ":1http%3A//h/p", ""],
    ];

    #[test]
    fn urls() {
        for [text, scheme, host, path, user, password, parameters, string, encoded] in URLS {
            let url = Url::parse(text).unwrap();
            let decoded = url.decode();
            let expected = Decoded {
                scheme: scheme.to_string(),
                host: host.to_string(),
                path: path.to_string(),
                user: user.to_string(),
                password: password.to_string(),
                params: params(parameters),
            };
            assert_eq!(decoded, expected, "{text}");
            assert_eq!(url.to_string(), *string, "{text}");
            assert_eq!(decoded.encode().unwrap_or_default(), *encoded, "{text}");
        }
        let url = Url::parse("http://Example.ORG:8080/index.html?a=b&c=d&e;p=1;q").unwrap();
        assert_eq!(
            (url.hostport().as_str(), url.param("q"), url.param("r")),
            ("example.org:8080", Some(""), None)
        );
        for bad in ["http://h:x/p", "http://h:65536/p", "http://h:99999999999/p"] {
            assert!(matches!(Url::parse(bad), Err(FetchError::Malformed(_))), "{bad}");
        }
    }

    /// Expected values from BitBake 2.19.
    #[test]
    fn mirror_patterns() {
        for (text, expected) in [
            ("git://.*/.*", ["git", ".*", "/.*", "", "", ""]),
            ("http://h", ["http", "h", "/", "", "", ""]),
            ("https?://.*/.*;a=b", ["https?", ".*", "/.*", "", "", "a=b"]),
            ("file:///a/b", ["file", "", "/a/b", "", "", ""]),
            ("file://u@x/b", ["file", "", "u@x/b", "", "", ""]),
            ("http://user:pw@h/p", ["http", "h", "/p", "user", "pw", ""]),
            ("http://u@h", ["http", "h", "/", "u", "", ""]),
            ("gitsm://.*/.*%20", ["gitsm", ".*", "/.* ", "", "", ""]),
        ] {
            let found = Decoded::mirror(text).unwrap();
            let [scheme, host, path, user, password, parameters] = expected.map(str::to_owned);
            assert_eq!(
                found,
                Decoded { scheme, host, path, user, password, params: params(&parameters) },
                "{text}"
            );
        }
        for (text, message) in [
            ("nope", "The URL: 'nope' is invalid and cannot be interpreted"),
            ("http://;x=1", "The URL: 'http://;x=1' is invalid and cannot be interpreted"),
            (
                "http://h/p;x",
                "The URL: 'http://h/p;x' is invalid: parameter x does not specify a value (missing '=')",
            ),
        ] {
            assert_eq!(Decoded::mirror(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(redact("https://u:secret@h/p;a=b"), "https://u:***@h/p;a=b");
        assert_eq!(redact("https://h/p;user=u;pswd=secret;x=1"), "https://h/p;user=u;pswd=***;x=1");
        assert_eq!(redact("https://h/p@x:y"), "https://h/p@x:y");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}|[a-z]{1,4}://[\\[\\]@:;=/%?#a-z0-9 é]{0,60}") {
            if let Ok(url) = Url::parse(&text) {
                let _ = (url.to_string(), url.decode().encode());
                proptest::prop_assert!(!url.host.contains('@'));
            }
            let _ = (Decoded::mirror(&text), redact(&text));
        }
    }
}
