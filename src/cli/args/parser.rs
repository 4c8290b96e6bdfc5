//! Reads a command line by a table, with the rules and messages of Python's argparse, which scripts around BitBake rely on:
//! clustered short options, `--long=value`, abbreviations, `--`, and what counts as a value.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Exit;
use super::spec::{Arity, Opt, Spec, Takes};
use super::usage;
use crate::lang::repr;

/// What a command line held, by the first spelling of each option.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    counts: BTreeMap<&'static str, usize>,
    values: BTreeMap<&'static str, Vec<String>>,
    positionals: BTreeMap<&'static str, Vec<String>>,
    /// Words that no option and no positional argument took.
    pub unknown: Vec<String>,
}

impl Parsed {
    /// How often the option was given.
    pub fn count(&self, name: &str) -> usize {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.count(name) > 0
    }

    /// The option's last value.
    pub fn value(&mut self, name: &str) -> Option<String> {
        self.values.get_mut(name).and_then(Vec::pop)
    }

    /// All values of the option in order.
    pub fn values(&mut self, name: &str) -> Vec<String> {
        self.values.get_mut(name).map(std::mem::take).unwrap_or_default()
    }

    /// The words of a positional argument.
    pub fn positional(&mut self, name: &str) -> Vec<String> {
        self.positionals.get_mut(name).map(std::mem::take).unwrap_or_default()
    }
}

/// A message for the user, not yet under its usage text.
type Complaint = String;

enum Stop {
    Complaint(Complaint),
    Help,
}

impl From<Complaint> for Stop {
    fn from(complaint: Complaint) -> Stop {
        Stop::Complaint(complaint)
    }
}

/// An argument that looks like an option.
#[derive(Clone)]
struct Candidate<'s> {
    /// `None` if no option is called so.
    option: Option<&'s Opt>,
    /// As it was spelled, or completed from an abbreviation.
    name: String,
    /// What came with it: after `=`, or behind a short option.
    value: Option<String>,
}

impl Spec {
    /// Reads `words`; any it does not know are an error.
    pub fn parse(&self, words: &[String], columns: usize) -> Result<Parsed, Exit> {
        let parsed = self.parse_known(words, columns)?;
        self.reject_unknown(&parsed, columns)?;
        Ok(parsed)
    }

    /// Complains about words that were not known.
    pub fn reject_unknown(&self, parsed: &Parsed, columns: usize) -> Result<(), Exit> {
        if parsed.unknown.is_empty() {
            return Ok(());
        }
        Err(self.error(&format!("unrecognized arguments: {}", parsed.unknown.join(" ")), columns))
    }

    /// Reads `words` and keeps those it does not know.
    pub fn parse_known(&self, words: &[String], columns: usize) -> Result<Parsed, Exit> {
        let mut parsed = Parsed::default();
        let result = if self.intermixed {
            // First the options alone, then what they left over.
            self.pass(words, true, &mut parsed).and_then(|()| {
                let rest = std::mem::take(&mut parsed.unknown);
                self.pass(&rest, false, &mut parsed)
            })
        } else {
            self.pass(words, false, &mut parsed)
        };
        match result {
            Ok(()) => Ok(parsed),
            Err(Stop::Help) => Err(Exit::Help(usage::help(self, columns))),
            Err(Stop::Complaint(message)) => Err(self.error(&message, columns)),
        }
    }

    /// A usage error with this message.
    pub fn error(&self, message: &str, columns: usize) -> Exit {
        Exit::Usage {
            usage: usage::usage(self, columns),
            prog: self.prog.clone(),
            message: message.to_string(),
        }
    }

    fn pass(&self, words: &[String], options_only: bool, parsed: &mut Parsed) -> Result<(), Stop> {
        Pass::new(self, words, options_only)?.run(parsed)
    }

    fn names(&self) -> impl Iterator<Item = (&Opt, &'static str)> {
        self.options.iter().flat_map(|option| option.names.iter().map(move |name| (option, *name)))
    }

    fn named(&self, name: &str) -> Option<&Opt> {
        self.names().find(|(_, known)| *known == name).map(|(option, _)| option)
    }

    /// Decides whether a word is an option.
    fn candidate(&self, word: &str) -> Result<Option<Candidate<'_>>, Complaint> {
        if !word.starts_with('-') || word.len() == 1 {
            return Ok(None);
        }
        let known = |name: &str, value: Option<&str>| {
            self.named(name).map(|option| Candidate {
                option: Some(option),
                name: name.to_string(),
                value: value.map(String::from),
            })
        };
        if let Some(candidate) = known(word, None) {
            return Ok(Some(candidate));
        }
        if let Some(candidate) = word.split_once('=').and_then(|(name, value)| known(name, Some(value))) {
            return Ok(Some(candidate));
        }
        let mut possible = self.completions(word);
        if possible.len() > 1 {
            let names: Vec<&str> = possible.iter().map(|candidate| candidate.name.as_str()).collect();
            return Err(format!("ambiguous option: {word} could match {}", names.join(", ")));
        }
        if let Some(only) = possible.pop() {
            return Ok(Some(only));
        }
        if is_negative_number(word) || word.contains(' ') {
            return Ok(None);
        }
        Ok(Some(Candidate { option: None, name: word.to_string(), value: None }))
    }

    /// Options that the word may mean: a long one cut short, or a short one with its value behind it.
    fn completions(&self, word: &str) -> Vec<Candidate<'_>> {
        if word.starts_with("--") {
            if !self.abbreviations {
                return Vec::new();
            }
            let (start, value) = match word.split_once('=') {
                Some((start, value)) => (start, Some(value)),
                None => (word, None),
            };
            let fitting = self.names().filter(|(_, name)| name.starts_with(start));
            return fitting
                .map(|(option, name)| Candidate {
                    option: Some(option),
                    name: name.to_string(),
                    value: value.map(String::from),
                })
                .collect();
        }
        let short_end = word.char_indices().nth(2).map_or(word.len(), |(i, _)| i);
        let (short, rest) = word.split_at(short_end);
        self.names()
            .filter(|(_, name)| *name == short || name.starts_with(word))
            .map(|(option, name)| Candidate {
                option: Some(option),
                name: name.to_string(),
                value: (name == short).then(|| rest.to_string()),
            })
            .collect()
    }
}

/// One walk along the words.
struct Pass<'s> {
    spec: &'s Spec,
    words: &'s [String],
    /// The words that look like options, by place.
    candidates: BTreeMap<usize, Candidate<'s>>,
    /// One letter for each word: `O` option, `A` argument, `-` the first `--`.
    shape: String,
    /// Positional arguments still to be filled; `None` for one that takes nothing in this pass.
    open: Vec<Option<usize>>,
}

impl<'s> Pass<'s> {
    fn new(spec: &'s Spec, words: &'s [String], options_only: bool) -> Result<Pass<'s>, Complaint> {
        let mut pass = Pass {
            spec,
            words,
            candidates: BTreeMap::new(),
            shape: String::with_capacity(words.len()),
            open: (0..spec.positionals.len()).map(|place| (!options_only).then_some(place)).collect(),
        };
        let mut only_arguments = false;
        for (place, word) in words.iter().enumerate() {
            if only_arguments {
                pass.shape.push('A');
            } else if word == "--" {
                pass.shape.push('-');
                only_arguments = true;
            } else if let Some(candidate) = spec.candidate(word)? {
                pass.candidates.insert(place, candidate);
                pass.shape.push('O');
            } else {
                pass.shape.push('A');
            }
        }
        Ok(pass)
    }

    fn run(mut self, parsed: &mut Parsed) -> Result<(), Stop> {
        let mut place = 0;
        while let Some(next) = self.candidates.range(place..).next().map(|(next, _)| *next) {
            if place != next {
                let end = self.take_positionals(place, parsed)?;
                if end > place {
                    place = end;
                    continue;
                }
            }
            if !self.candidates.contains_key(&place) {
                parsed.unknown.extend_from_slice(&self.words[place..next]);
                place = next;
            }
            place = self.take_option(place, parsed)?;
        }
        let end = self.take_positionals(place, parsed)?;
        parsed.unknown.extend_from_slice(&self.words[end..]);
        let missing: Vec<&str> = self
            .open
            .iter()
            .flatten()
            .map(|place| &self.spec.positionals[*place])
            .filter(|positional| positional.arity != Arity::Any)
            .map(|positional| positional.name)
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(Stop::Complaint(format!("the following arguments are required: {missing}")));
        }
        Ok(())
    }

    /// Takes the option at `place` and gives the place after it and its value.
    fn take_option(&self, place: usize, parsed: &mut Parsed) -> Result<usize, Stop> {
        let Some(mut candidate) = self.candidates.get(&place).cloned() else { return Ok(place + 1) };
        loop {
            match self.take_one(place, candidate, parsed)? {
                ControlFlow::Break(next) => return Ok(next),
                ControlFlow::Continue(next) => candidate = next,
            }
        }
    }

    /// Takes one option of a cluster: gives the rest of the cluster, or the place to go on from.
    fn take_one(
        &self,
        place: usize,
        candidate: Candidate<'s>,
        parsed: &mut Parsed,
    ) -> Result<ControlFlow<usize, Candidate<'s>>, Stop> {
        let Candidate { option, name, value } = candidate;
        let Some(option) = option else {
            parsed.unknown.push(self.words[place].clone());
            return Ok(ControlFlow::Break(place + 1));
        };
        let Some(value) = value else {
            if !option.takes_value() {
                self.act(option, None, parsed)?;
                return Ok(ControlFlow::Break(place + 1));
            }
            if option.takes == Takes::Two {
                if self.shape.get(place + 1..place + 3) != Some("AA") {
                    return Err(complaint(option, "expected 2 arguments").into());
                }
                let pair = self.words.get(place + 1..place + 3).unwrap_or_default();
                parsed.values.entry(option.names[0]).or_default().extend_from_slice(pair);
                *parsed.counts.entry(option.names[0]).or_default() += 1;
                return Ok(ControlFlow::Break(place + 3));
            }
            if self.shape.as_bytes().get(place + 1) != Some(&b'A') {
                return Err(complaint(option, "expected one argument").into());
            }
            self.act(option, self.words.get(place + 1).cloned(), parsed)?;
            return Ok(ControlFlow::Break(place + 2));
        };
        if option.takes == Takes::Two {
            return Err(complaint(option, "expected 2 arguments").into());
        }
        if option.takes_value() {
            self.act(option, Some(value), parsed)?;
            return Ok(ControlFlow::Break(place + 1));
        }
        let mut rest = value.chars();
        let ignored = || complaint(option, &format!("ignored explicit argument {}", repr::text(&value)));
        match rest.next() {
            Some(letter) if !name.starts_with("--") => {
                let name = format!("-{letter}");
                let next = self.spec.named(&name).ok_or_else(ignored)?;
                self.act(option, None, parsed)?;
                let rest = Some(rest.as_str().to_string()).filter(|rest| !rest.is_empty());
                Ok(ControlFlow::Continue(Candidate { option: Some(next), name, value: rest }))
            }
            _ => Err(ignored().into()),
        }
    }

    fn act(&self, option: &'s Opt, value: Option<String>, parsed: &mut Parsed) -> Result<(), Stop> {
        let name = option.names[0];
        if option.takes == Takes::Help {
            return Err(Stop::Help);
        }
        if let Some(value) = value {
            check_value(option, &value)?;
            parsed.values.entry(name).or_default().push(value);
        }
        *parsed.counts.entry(name).or_default() += 1;
        Ok(())
    }

    /// Gives the words from `place` on to as many open positional arguments as they fit.
    fn take_positionals(&mut self, place: usize, parsed: &mut Parsed) -> Result<usize, Stop> {
        let shape = &self.shape[place.min(self.shape.len())..];
        let groups = (1..=self.open.len()).rev().find_map(|count| self.fit(&self.open[..count], shape));
        let Some(lengths) = groups else { return Ok(place) };
        let mut place = place;
        for (open, length) in self.open.drain(..lengths.len()).zip(&lengths) {
            let mut words = self.words[place..place + length].to_vec();
            place += length;
            let Some(positional) = open.map(|open| &self.spec.positionals[open]) else { continue };
            if let Arity::Subcommand(names) = &positional.arity {
                let name = words.first().map_or("", String::as_str);
                if !names.contains(&name) {
                    return Err(Stop::Complaint(bad_choice(positional.name, name, names)));
                }
            } else if let Some(separator) = words.iter().position(|word| word == "--") {
                words.remove(separator);
            }
            parsed.positionals.entry(positional.name).or_default().extend(words);
        }
        Ok(place)
    }

    /// How many words each of the arguments takes from the start of `shape`, if they all get what they need.
    fn fit(&self, open: &[Option<usize>], shape: &str) -> Option<Vec<usize>> {
        let mut pattern = String::from("^");
        for place in open {
            pattern.push_str(match place.map(|place| &self.spec.positionals[place].arity) {
                None => "(-*-*)",
                Some(Arity::One) => "(-*A-*)",
                Some(Arity::Any) => "(-*[A-]*)",
                Some(Arity::Some) => "(-*A[A-]*)",
                Some(Arity::Subcommand(_)) => "(-*A[-AO]*)",
            });
        }
        let captures = regex::Regex::new(&pattern).ok()?.captures(shape)?;
        Some(captures.iter().skip(1).map(|group| group.map_or(0, |group| group.len())).collect())
    }
}

fn complaint(option: &Opt, message: &str) -> Complaint {
    format!("argument {}: {message}", option.names.join("/"))
}

fn bad_choice(argument: &str, value: &str, choices: &[&str]) -> Complaint {
    let choices: Vec<String> = choices.iter().map(|choice| repr::text(choice)).collect();
    let choices = choices.join(", ");
    format!("argument {argument}: invalid choice: {} (choose from {choices})", repr::text(value))
}

fn check_value(option: &Opt, value: &str) -> Result<(), Complaint> {
    match option.takes {
        Takes::Number if value.trim().parse::<f64>().is_err() => {
            Err(complaint(option, &format!("invalid float value: {}", repr::text(value))))
        }
        Takes::Choice(choices) if !choices.contains(&value) => {
            Err(bad_choice(&option.names.join("/"), value, choices))
        }
        _ => Ok(()),
    }
}

/// `-5` or `-.5`, which is a value and no option.
fn is_negative_number(word: &str) -> bool {
    let Some(number) = word.strip_prefix('-') else { return false };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match number.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction) && !fraction.is_empty(),
        None => digits(number) && !number.is_empty(),
    }
}
