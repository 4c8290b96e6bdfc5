//! Debian versions and their order (deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions: epoch, upstream version, revision.
pub fn compare(left: &str, right: &str) -> Ordering {
    let split = |version: &str| -> (u64, String, String) {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.trim().parse().unwrap_or(0), upstream.to_owned(), revision.to_owned())
    };
    let (left, right) = (split(left), split(right));
    left.0.cmp(&right.0).then_with(|| part(&left.1, &right.1)).then_with(|| part(&left.2, &right.2))
}

/// Alternately compares what is no digit by letters' weights, and numbers by value.
fn part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        let (text_left, text_right) = (head(&mut left, false), head(&mut right, false));
        let longest = text_left.len().max(text_right.len());
        for at in 0..longest {
            let order = weight(text_left.get(at)).cmp(&weight(text_right.get(at)));
            if order != Ordering::Equal {
                return order;
            }
        }
        let (number_left, number_right) = (head(&mut left, true), head(&mut right, true));
        let strip = |digits: &[u8]| {
            let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
            digits.get(zeros..).unwrap_or_default().to_vec()
        };
        let (number_left, number_right) = (strip(number_left), strip(number_right));
        let order = number_left.len().cmp(&number_right.len()).then_with(|| number_left.cmp(&number_right));
        if order != Ordering::Equal {
            return order;
        }
        if left.is_empty() && right.is_empty() {
            return Ordering::Equal;
        }
    }
}

/// Cuts the leading digits, or non-digits, off.
fn head<'a>(text: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let end = text.iter().position(|byte| byte.is_ascii_digit() != digits).unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    *text = rest;
    head
}

/// `~` before the end, the end before letters, letters before the rest.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// dpkg itself is the judge.
    #[test]
    fn dpkg_agrees() {
        if Command::new("dpkg").arg("--version").output().is_err() {
            eprintln!("SKIPPED: dpkg is needed to compare versions");
            return;
        }
        let versions = [
            "1.0",
            "1.0-1",
            "1.0~rc1-1",
            "1:0.5",
            "1.0+b1",
            "1.00",
            "1.a",
            "1.0-1~bpo1",
            "1.0.1",
            "2~",
            "10",
        ];
        for left in versions {
            for right in versions {
                for (operator, expected) in [("lt", Ordering::Less), ("eq", Ordering::Equal)] {
                    let judged =
                        Command::new("dpkg").args(["--compare-versions", left, operator, right]).status();
                    assert_eq!(
                        judged.unwrap().success(),
                        compare(left, right) == expected,
                        "{left} {operator} {right}"
                    );
                }
            }
        }
    }
}
