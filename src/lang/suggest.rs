//! "Did you mean …?": the known name a misspelt one was probably meant to be, or nothing rather than a silly guess.

/// The candidate that `name` most likely stands for.
///
/// Short names must be nearly right: one slip in three to five characters, two in up to ten, three in longer names; shorter
/// ones may differ in case only. Two equally near candidates make a guess a coin toss, so there is none.
pub fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let letters = name.chars().count();
    let allowed = match letters {
        0..=2 => 0,
        3..=5 => 1,
        6..=10 => 2,
        _ => 3,
    };
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for candidate in candidates {
        if candidate == name {
            return None;
        }
        let distance = if candidate.eq_ignore_ascii_case(name) {
            0
        } else if candidate.chars().count().abs_diff(letters) > allowed {
            continue;
        } else {
            strsim::osa_distance(name, candidate)
        };
        let same_case = candidate.eq_ignore_ascii_case(name);
        if distance > allowed || (distance == 0 && !same_case) {
            continue;
        }
        match best {
            Some((known, _)) if distance > known => {}
            Some((known, other)) if distance == known => tied |= other != candidate,
            _ => {
                best = Some((distance, candidate));
                tied = false;
            }
        }
    }
    best.filter(|_| !tied).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    const KEYWORDS: [&str; 8] =
        ["append", "prepend", "remove", "inherit", "include", "require", "export", "addtask"];

    #[test]
    fn slips_are_seen_through() {
        for (written, meant) in [
            ("apend", "append"),
            ("appned", "append"),
            ("prepand", "prepend"),
            ("inhreit", "inherit"),
            ("INHERIT", "inherit"),
            ("adtask", "addtask"),
            ("requires", "require"),
        ] {
            assert_eq!(did_you_mean(written, KEYWORDS), Some(meant), "{written}");
        }
    }

    #[test]
    fn no_guess_is_better_than_a_silly_one() {
        for written in ["class-native", "x", "ex", "update", "", "append", "machine"] {
            assert_eq!(did_you_mean(written, KEYWORDS), None, "{written}");
        }
        assert_eq!(did_you_mean("lib1", ["lib2", "lib3"]), None);
        assert_eq!(did_you_mean("lib1", ["lib2", "lib2"]), Some("lib2"));
    }
}
