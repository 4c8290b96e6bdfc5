//! Names close to a name nobody provides, ranked as Python's `difflib` ranks them (BitBake's messages list these).

use rustc_hash::FxHashMap;

/// How similar a candidate must be to be mentioned.
const CUTOFF: f64 = 0.7;
/// How many are mentioned.
const LIMIT: usize = 3;
/// From this length on, characters that make up more than 1 % of the wanted name do not start a match.
const POPULAR_FROM: usize = 200;

/// At most three candidates that resemble `wanted`, the most similar first; equally similar ones in reverse order.
pub fn close_matches<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = Wanted::new(wanted);
    let mut found: Vec<(f64, &str)> = Vec::new();
    for candidate in candidates {
        if let Some(ratio) = wanted.ratio_above(candidate, CUTOFF) {
            found.push((ratio, candidate));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(a.1)));
    found.truncate(LIMIT);
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The wanted name, prepared for many comparisons.
struct Wanted {
    characters: Vec<char>,
    /// Where each character occurs, in ascending order.
    positions: FxHashMap<char, Vec<usize>>,
    /// How often each character occurs.
    counts: FxHashMap<char, usize>,
}

impl Wanted {
    fn new(name: &str) -> Wanted {
        let characters: Vec<char> = name.chars().collect();
        let mut positions: FxHashMap<char, Vec<usize>> = FxHashMap::default();
        for (i, c) in characters.iter().enumerate() {
            positions.entry(*c).or_default().push(i);
        }
        let counts = positions.iter().map(|(c, at)| (*c, at.len())).collect();
        if characters.len() >= POPULAR_FROM {
            let limit = characters.len() / 100 + 1;
            positions.retain(|_, at| at.len() <= limit);
        }
        Wanted { characters, positions, counts }
    }

    /// The similarity of `candidate`, if it is `cutoff` or more. Two cheap upper bounds come first.
    fn ratio_above(&self, candidate: &str, cutoff: f64) -> Option<f64> {
        let total = candidate.chars().count() + self.characters.len();
        let ratio = |matches: usize| if total == 0 { 1.0 } else { 2.0 * matches as f64 / total as f64 };
        let shorter = self.characters.len().min(total - self.characters.len());
        if ratio(shorter) < cutoff {
            return None;
        }
        let candidate: Vec<char> = candidate.chars().collect();
        let mut left: FxHashMap<char, usize> = FxHashMap::default();
        let mut common = 0;
        for c in &candidate {
            let available = left.entry(*c).or_insert_with(|| self.counts.get(c).copied().unwrap_or(0));
            if *available > 0 {
                *available -= 1;
                common += 1;
            }
        }
        if ratio(common) < cutoff {
            return None;
        }
        Some(ratio(self.matching_characters(&candidate))).filter(|ratio| *ratio >= cutoff)
    }

    /// Sum of the lengths of the longest common blocks, found from the longest outwards.
    fn matching_characters(&self, candidate: &[char]) -> usize {
        let mut matches = 0;
        let mut ranges = vec![(0, candidate.len(), 0, self.characters.len())];
        while let Some((candidate_low, candidate_high, low, high)) = ranges.pop() {
            let (i, j, size) = self.longest_block(candidate, candidate_low, candidate_high, low, high);
            if size > 0 {
                matches += size;
                ranges.push((candidate_low, i, low, j));
                ranges.push((i + size, candidate_high, j + size, high));
            }
        }
        matches
    }

    /// The longest block common to `candidate[a_low..a_high]` and the wanted `[b_low..b_high]`: the first of the longest.
    fn longest_block(
        &self,
        candidate: &[char],
        a_low: usize,
        a_high: usize,
        b_low: usize,
        b_high: usize,
    ) -> (usize, usize, usize) {
        let (mut best_a, mut best_b, mut best) = (a_low, b_low, 0);
        // Length of the block that ends before wanted position j, for the previous character of the candidate.
        let mut lengths: FxHashMap<usize, usize> = FxHashMap::default();
        for (i, c) in candidate.iter().enumerate().take(a_high).skip(a_low) {
            let mut next: FxHashMap<usize, usize> = FxHashMap::default();
            for &j in self.positions.get(c).map_or(&[][..], Vec::as_slice) {
                if j < b_low {
                    continue;
                }
                if j >= b_high {
                    break;
                }
                let length =
                    j.checked_sub(1).and_then(|before| lengths.get(&before)).copied().unwrap_or(0) + 1;
                next.insert(j, length);
                if length > best {
                    (best_a, best_b, best) = (i + 1 - length, j + 1 - length, length);
                }
            }
            lengths = next;
        }
        // Characters too frequent to start a block still lengthen one.
        while best_a > a_low && best_b > b_low && candidate[best_a - 1] == self.characters[best_b - 1] {
            (best_a, best_b, best) = (best_a - 1, best_b - 1, best + 1);
        }
        while best_a + best < a_high
            && best_b + best < b_high
            && candidate[best_a + best] == self.characters[best_b + best]
        {
            best += 1;
        }
        (best_a, best_b, best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `difflib.get_close_matches(wanted, candidates, cutoff=0.7)`: wanted, candidates, result, each a list in blanks.
    #[test]
    fn matches_are_difflibs() {
        let table = include_str!("../../tests/data/close-matches.tsv");
        let mut rows = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [wanted, candidates, expected] = fields[..] else { panic!("bad row {line:?}") };
            let ours = close_matches(wanted, candidates.split_whitespace());
            assert_eq!(ours.join(" "), expected, "{wanted} among {candidates}");
            rows += 1;
        }
        assert!(rows > 200, "only {rows} rows");
    }

    #[test]
    fn frequent_characters_of_long_names_start_no_block() {
        let shifted = |times| (("ab").repeat(times), format!("x{}", "ab".repeat(times)));
        let (short, moved) = shifted(90);
        assert_eq!(close_matches(&short, [moved.as_str()]), [moved.as_str()]);
        let (long, moved) = shifted(150);
        assert_eq!(close_matches(&long, [moved.as_str(), &long]), [long.as_str()]);
    }
}
