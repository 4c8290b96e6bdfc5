//! Wildcards as Python's `fnmatch` knows them: `*`, `?`, `[seq]` and `[!seq]`. A star crosses slashes.

/// Whether `name` as a whole matches `pattern`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<Token> = tokens(pattern);
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last star does not fit here: one character further.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(Token::Star) => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Some(token) if token.matches(name[n]) => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((after_star, start)) => {
                    (p, n) = (after_star, start + 1);
                    retry = Some((after_star, start + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|token| matches!(token, Token::Star))
}

/// Whether `text` contains a wildcard.
pub fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

enum Token {
    Star,
    Any,
    One(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn matches(&self, c: char) -> bool {
        match self {
            Token::Star | Token::Any => true,
            Token::One(one) => *one == c,
            Token::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| *low <= c && c <= *high) != *negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::with_capacity(characters.len());
    let mut i = 0;
    while let Some(&c) = characters.get(i) {
        i += 1;
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '[' => match set(&characters[i..]) {
                Some((token, length)) => {
                    i += length;
                    token
                }
                None => Token::One('['),
            },
            c => Token::One(c),
        });
    }
    tokens
}

/// The set that `rest` starts with, past its opening bracket, and its length with the closing one.
fn set(rest: &[char]) -> Option<(Token, usize)> {
    let negated = rest.first() == Some(&'!');
    let start = usize::from(negated);
    // A bracket in first place is a member.
    let end = (start + 1..rest.len()).find(|i| rest[*i] == ']')?;
    let members = &rest[start..end];
    let mut ranges = Vec::new();
    let mut i = 0;
    while i < members.len() {
        if i + 2 < members.len() && members[i + 1] == '-' {
            ranges.push((members[i], members[i + 2]));
            i += 3;
        } else {
            ranges.push((members[i], members[i]));
            i += 1;
        }
    }
    Some((Token::Set { negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fnmatch.fnmatchcase` of Python: pattern, name, 1 or 0.
    #[test]
    fn answers_are_pythons() {
        let mut rows = 0;
        for line in include_str!("../../tests/data/fnmatch.tsv").lines().filter(|line| !line.starts_with('#'))
        {
            let fields: Vec<&str> = line.split('\t').collect();
            let [pattern, name, expected] = fields[..] else { panic!("bad row {line:?}") };
            assert_eq!(matches(pattern, name), expected == "1", "{pattern} {name}");
            rows += 1;
        }
        assert!(rows > 200, "only {rows} rows");
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(&"a*".repeat(40), &"a".repeat(39)));
        assert!(!matches(&format!("{}b", "a*".repeat(30)), &"a".repeat(200)));
    }
}
