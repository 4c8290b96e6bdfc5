//! Which version is newer: BitBake's order of `PE:PV-PR`, and the conditions `(>= 1.0)` built on it.

use std::cmp::Ordering;
use std::fmt;

use super::record::RecipeVersion;

/// One piece of a version, by rank: `~`, the end or a number, letters, anything else.
#[derive(PartialEq, Eq)]
enum Piece<'a> {
    Tilde,
    /// Past the last piece. Smaller than any number.
    End,
    /// Digits without leading zeros, so that longer means greater.
    Number(&'a str),
    Letters(&'a str),
    Other(char),
}

impl Piece<'_> {
    fn rank(&self) -> i8 {
        match self {
            Piece::Tilde => -1,
            Piece::End | Piece::Number(_) => 0,
            Piece::Letters(_) => 1,
            Piece::Other(_) => 2,
        }
    }
}

impl Ord for Piece<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| match (self, other) {
            (Piece::Number(a), Piece::Number(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Piece::End, Piece::Number(_)) => Ordering::Less,
            (Piece::Number(_), Piece::End) => Ordering::Greater,
            (Piece::Letters(a), Piece::Letters(b)) => a.cmp(b),
            (Piece::Other(a), Piece::Other(b)) => a.cmp(b),
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for Piece<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Takes the next piece off `text`.
fn next_piece<'a>(text: &mut &'a str) -> Piece<'a> {
    let Some(first) = text.chars().next() else { return Piece::End };
    let length = if first.is_ascii_digit() {
        text.bytes().take_while(u8::is_ascii_digit).count()
    } else if first.is_ascii_alphabetic() {
        text.bytes().take_while(u8::is_ascii_alphabetic).count()
    } else {
        first.len_utf8()
    };
    let (piece, rest) = text.split_at(length);
    *text = rest;
    match first {
        '~' => Piece::Tilde,
        c if c.is_ascii_digit() => Piece::Number(piece.trim_start_matches('0')),
        c if c.is_ascii_alphabetic() => Piece::Letters(piece),
        c => Piece::Other(c),
    }
}

/// Compares two PVs or two PRs.
pub fn compare_parts(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (next_piece(&mut a), next_piece(&mut b)) {
            (Piece::End, Piece::End) => return Ordering::Equal,
            (a, b) => match a.cmp(&b) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// Compares epoch, then version, then revision. An epoch that is no number counts as 0.
pub fn compare(a: &RecipeVersion, b: &RecipeVersion) -> Ordering {
    let epoch = |text: &str| text.trim().parse::<i64>().unwrap_or(0);
    epoch(&a.pe)
        .cmp(&epoch(&b.pe))
        .then_with(|| compare_parts(&a.pv, &b.pv))
        .then_with(|| compare_parts(&a.pr, &b.pr))
}

/// Takes `PE:PV-PR` apart, as `LAYERVERSION` and version conditions write it.
pub fn split(text: &str) -> RecipeVersion {
    let text = text.trim_matches([' ', '<', '>', '=']);
    let mut parts = text.split(':');
    let (pe, rest) = match (parts.next(), parts.next()) {
        (Some(pe), Some(rest)) => (pe, rest),
        _ => ("", text),
    };
    let (pv, pr) = rest.rsplit_once('-').unwrap_or((rest, ""));
    RecipeVersion { pe: pe.to_string(), pv: pv.to_string(), pr: pr.to_string() }
}

/// Compares two texts of the form `PE:PV-PR`.
pub fn compare_texts(a: &str, b: &str) -> Ordering {
    compare(&split(a), &split(b))
}

/// A comparison sign that no version condition knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unsupported comparison operator \"{0}\"")]
pub struct UnknownOperator(pub String);

/// Whether `a OP b` holds for one of `= == <= >= > >> < << !=`.
pub fn satisfies(a: &str, b: &str, operator: &str) -> Result<bool, UnknownOperator> {
    let order = compare_texts(a, b);
    Ok(match operator {
        "=" | "==" => order.is_eq(),
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        ">" | ">>" => order.is_gt(),
        "<" | "<<" => order.is_lt(),
        "!=" => order.is_ne(),
        other => return Err(UnknownOperator(other.to_string())),
    })
}

/// The version a user asks for in PREFERRED_VERSION or REQUIRED_VERSION: `[EPOCH:]VERSION`, `%` at the end for any rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedVersion {
    epoch: Option<String>,
    version: String,
}

impl WantedVersion {
    /// Reads the value; of several epochs the last counts, as in BitBake.
    pub fn parse(text: &str) -> WantedVersion {
        let mut epoch = None;
        let mut rest = text;
        while let Some((digits, tail)) = rest.split_once(':')
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_numeric())
        {
            epoch = Some(digits.to_string());
            rest = tail;
        }
        WantedVersion { epoch, version: rest.lines().next().unwrap_or("").to_string() }
    }

    /// Whether a recipe of this version is what was asked for. PR plays no part.
    pub fn matches(&self, version: &RecipeVersion) -> bool {
        self.epoch.as_ref().is_none_or(|epoch| *epoch == version.pe)
            && (self.version == version.pv
                || self.version.strip_suffix('%').is_some_and(|start| version.pv.starts_with(start)))
    }
}

impl fmt::Display for WantedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(epoch) = &self.epoch {
            write!(f, "{epoch}:")?;
        }
        f.write_str(&self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `vercmp_string` of BitBake for pairs of versions that occur in layers and pairs that stress every rank.
    #[test]
    fn order_is_bitbakes() {
        let table = include_str!("../../tests/data/vercmp.tsv");
        let mut rows = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [a, b, order] = fields[..] else { panic!("bad row {line:?}") };
            assert_eq!((compare_texts(a, b) as i8).to_string(), order, "{a} {b}");
            rows += 1;
        }
        assert!(rows > 1000, "only {rows} rows");
    }

    #[test]
    fn conditions() {
        for (a, b, operator, holds) in [
            ("3", "4", ">=", false),
            ("4", "4", ">=", true),
            ("1:1", "2", ">>", true),
            ("1.0~rc1", "1.0", "<", true),
            ("1.0", "1.0-r1", "!=", true),
            ("1.0", "1.0", "=", true),
        ] {
            assert_eq!(satisfies(a, b, operator), Ok(holds), "{a} {operator} {b}");
        }
        let error = satisfies("1", "1", "=<").unwrap_err();
        assert_eq!(error.to_string(), "Unsupported comparison operator \"=<\"");
    }

    #[test]
    fn wanted_versions() {
        let version = |pe: &str, pv: &str| RecipeVersion { pe: pe.into(), pv: pv.into(), pr: "r0".into() };
        assert!(WantedVersion::parse("1.0").matches(&version("", "1.0")));
        assert!(WantedVersion::parse("1.0").matches(&version("2", "1.0")));
        assert!(WantedVersion::parse("2:1.0").matches(&version("2", "1.0")));
        assert!(!WantedVersion::parse("2:1.0").matches(&version("", "1.0")));
        assert!(WantedVersion::parse("1.%").matches(&version("", "1.7+git")));
        assert!(!WantedVersion::parse("1.%").matches(&version("", "12")));
        assert!(!WantedVersion::parse("1.0_r0").matches(&version("", "1.0")));
        assert_eq!(WantedVersion::parse("1:2:3_r1").to_string(), "2:3_r1");
    }

    fn version_text() -> impl Strategy<Value = String> {
        "([0-9]:)?[0-9a-c.~+]{0,6}(-r[0-2])?"
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in version_text(), b in version_text(), c in version_text()) {
            prop_assert_eq!(compare_texts(&a, &b), compare_texts(&b, &a).reverse());
            prop_assert_eq!(compare_texts(&a, &a), Ordering::Equal);
            if compare_texts(&a, &b).is_le() && compare_texts(&b, &c).is_le() {
                prop_assert!(compare_texts(&a, &c).is_le());
            }
        }

        #[test]
        fn a_tilde_is_older_and_more_text_is_newer(a in version_text(), digit in "[0-9a-z.+]") {
            prop_assert_eq!(compare_parts(&format!("{a}~{digit}"), &a), Ordering::Less);
            // A digit may join the last number and grow it; only a leading zero leaves it as it was.
            prop_assume!(digit != "0");
            prop_assert_eq!(compare_parts(&format!("{a}{digit}"), &a), Ordering::Greater);
        }

        #[test]
        fn any_text_has_a_place(a in ".{0,12}", b in ".{0,12}") {
            prop_assert_eq!(compare_texts(&a, &b), compare_texts(&b, &a).reverse());
        }
    }
}
