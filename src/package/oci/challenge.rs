//! What a registry demands before it gives something away: the `WWW-Authenticate` header.
//!
//! Sources: RFC 9110, section 11.6.1; "Docker Registry v2 authentication via central service".

/// A demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A token, to be had from another place.
    Bearer {
        /// The URL of that place.
        realm: String,
        /// The name that the registry goes by there.
        service: Option<String>,
        /// What the token has to be good for.
        scope: Option<String>,
    },
    /// User and password.
    Basic,
}

/// Reads a header, or several joined by commas: a demand for a token if there is one, else one for a password, else `None`.
pub fn parse(header: &str) -> Option<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = token(rest)?;
        let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
        match (value, found.last_mut()) {
            (Some(value), Some((_, params))) => {
                let (value, after) = value_of(value.trim_start_matches([' ', '\t']))?;
                params.push((name.to_ascii_lowercase(), value));
                rest = after;
            }
            (Some(_), None) => return None,
            (None, _) => {
                found.push((name.to_ascii_lowercase(), Vec::new()));
                rest = after;
            }
        }
        if rest.trim_matches([' ', '\t', ',']).is_empty() {
            break;
        }
    }
    let bearer = found.iter().filter(|(scheme, _)| scheme == "bearer").find_map(|(_, params)| {
        let param = |name: &str| params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        Some(Challenge::Bearer { realm: param("realm")?, service: param("service"), scope: param("scope") })
    });
    bearer.or_else(|| found.iter().any(|(scheme, _)| scheme == "basic").then_some(Challenge::Basic))
}

/// A word at the beginning, and what follows it.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let end = text.find(|letter| !is_letter(letter)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at_checked(end)).flatten()
}

/// A word or a text in quotation marks at the beginning, and what follows it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Some registries leave the marks out around URLs.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return text.split_at_checked(end).map(|(value, rest)| (value.to_owned(), rest));
    };
    let (mut value, mut letters) = (String::new(), quoted.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let (service, scope) = (service.map(str::to_owned), scope.map(str::to_owned));
        Some(Challenge::Bearer { realm: realm.into(), service, scope })
    }

    /// Headers as the specifications show them.
    #[test]
    fn headers() {
        let scope = Some("repository:samalba/my-app:pull,push");
        for (header, expected) in [
            (
                "Bearer realm=\"https://auth.example/token\",service=\"registry.example\",scope=\"repository:samalba/my-app:pull,push\"",
                bearer("https://auth.example/token", Some("registry.example"), scope),
            ),
            ("Basic realm=\"a \\\"b\\\", c\"", Some(Challenge::Basic)),
            ("bearer  Realm = x , scope=y", bearer("x", None, Some("y"))),
            ("Basic realm=\"x\", Bearer realm=\"y\"", bearer("y", None, None)),
            (
                "Newauth realm=\"apps\", type=1, title=\"Login\", Basic realm=\"simple\"",
                Some(Challenge::Basic),
            ),
            ("Basic", Some(Challenge::Basic)),
            ("Bearer service=\"x\"", None),
            ("Bearer realm=\"x", None),
            ("realm=\"x\"", None),
            ("Negotiate", None),
            ("", None),
            ("ä", None),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text(text: String) {
            let _ = parse(&text);
        }
    }
}
