//! Versions of rpm packages and their order.

use std::cmp::Ordering;

/// Epoch, version and release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evr {
    /// The epoch; none counts as 0.
    pub epoch: u64,
    /// The version.
    pub version: String,
    /// The release; empty if only a version was asked for.
    pub release: String,
}

impl Evr {
    /// Reads `[EPOCH:]VERSION[-RELEASE]`.
    pub fn parse(text: &str) -> Self {
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Evr { epoch: epoch.parse().unwrap_or(0), version: version.into(), release: release.into() }
    }

    /// Whether this is what was asked for: a request without release takes any.
    pub fn satisfies(&self, wanted: &Evr) -> bool {
        self.epoch == wanted.epoch
            && self.version == wanted.version
            && (wanted.release.is_empty() || self.release == wanted.release)
    }

    /// Their order.
    pub fn compare(&self, other: &Evr) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(&self.version, &other.version))
            .then_with(|| compare(&self.release, &other.release))
    }
}

impl std::fmt::Display for Evr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.epoch > 0 {
            write!(f, "{}:", self.epoch)?;
        }
        f.write_str(&self.version)?;
        if self.release.is_empty() { Ok(()) } else { write!(f, "-{}", self.release) }
    }
}

/// Compares two versions, or releases, piece by piece: `~` sorts before all, `^` before more pieces but after the
/// end, numbers after letters.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    let separator = |byte: &u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'~' | b'^');
    loop {
        left = skip(left, separator);
        right = skip(right, separator);
        match (left.first(), right.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                left = left.get(1..).unwrap_or_default();
                right = right.get(1..).unwrap_or_default();
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (None, _) | (_, None) => return left.len().cmp(&right.len()),
            (Some(first), Some(second)) => {
                let digits = first.is_ascii_digit();
                if digits != second.is_ascii_digit() {
                    return if digits { Ordering::Greater } else { Ordering::Less };
                }
                let piece = |text: &mut &[u8]| -> Vec<u8> {
                    let same = |byte: &u8| byte.is_ascii_alphanumeric() && byte.is_ascii_digit() == digits;
                    let end = text.iter().position(|byte| !same(byte)).unwrap_or(text.len());
                    let (head, rest) = text.split_at(end);
                    *text = rest;
                    if digits { skip(head, |byte| *byte == b'0').to_vec() } else { head.to_vec() }
                };
                let (one, two) = (piece(&mut left), piece(&mut right));
                let order = if digits { one.len().cmp(&two.len()) } else { Ordering::Equal };
                match order.then_with(|| one.cmp(&two)) {
                    Ordering::Equal => {}
                    order => return order,
                }
            }
        }
    }
}

fn skip(text: &[u8], unwanted: impl Fn(&u8) -> bool) -> &[u8] {
    let start = text.iter().position(|byte| !unwanted(byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules as rpm's manual states them ("rpm-version(7)", comparison).
    #[test]
    fn order() {
        for (left, right, expected) in [
            ("1.0", "1.0", Ordering::Equal),
            ("1.0", "2.0", Ordering::Less),
            ("2.0.1a", "2.0.1", Ordering::Greater),
            ("5.5p10", "5.5p1", Ordering::Greater),
            ("10xyz", "10.1xyz", Ordering::Less),
            ("xyz10", "xyz10.1", Ordering::Less),
            ("xyz.4", "8", Ordering::Less),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0~rc1", "1.0~rc2", Ordering::Less),
            ("1.0^", "1.0", Ordering::Greater),
            ("1.0^git1", "1.0.1", Ordering::Less),
            ("1.0~rc1^git1", "1.0~rc1", Ordering::Greater),
            ("2_0", "2.0", Ordering::Equal),
            ("a+", "a_", Ordering::Equal),
            ("10.0001", "10.1", Ordering::Equal),
        ] {
            assert_eq!(compare(left, right), expected, "{left} {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} {left}");
        }
        let newer = Evr::parse("1:0.1-1");
        assert_eq!(newer.compare(&Evr::parse("2.0-1")), Ordering::Greater);
        assert!(newer.satisfies(&Evr::parse("1:0.1")) && !newer.satisfies(&Evr::parse("0.1")));
        assert_eq!(newer.to_string(), "1:0.1-1");
    }
}
