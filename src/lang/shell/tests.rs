//! Tests of the shell scanner. What BitBake finds is in `tests/data/shell_scanner.jsonl`.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::{ShellErrorKind, ShellScan, ShellSyntaxError, scan};

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

#[track_caller]
fn execs(code: &str) -> Vec<String> {
    match scan(code) {
        Ok(found) => found.execs.into_iter().collect(),
        Err(error) => panic!("{code:?} was refused: {error}"),
    }
}

#[track_caller]
fn refusal(code: &str) -> ShellSyntaxError {
    match scan(code) {
        Ok(found) => panic!("{code:?} was accepted: {found:?}"),
        Err(error) => error,
    }
}

mod reference {
    use super::*;

    fn list(value: Option<&Value>) -> BTreeSet<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.map(|item| item.as_str().expect("a name").to_owned()).collect()
    }

    fn check(case: &[Value]) -> Result<(), String> {
        let text = case[0].as_str().expect("the text comes first");
        let got = scan(text);
        if case[1].is_array() {
            let got = got.map_err(|error| format!("{text:?}: refused: {error}"))?;
            let (commands, functions) = (list(case.get(1)), list(case.get(2)));
            if got.execs != commands || got.funcdefs != functions {
                return Err(format!("{text:?}: expected {commands:?} {functions:?}, got {got:?}"));
            }
            return Ok(());
        }
        let expected = (case[1].as_str().expect("a class"), case[2].as_str().expect("an error text"));
        match got {
            Ok(found) => Err(format!("{text:?}: expected {expected:?}, got {found:?}")),
            Err(error) if (format!("{:?}", error.kind).as_str(), error.reference.as_str()) != expected => {
                Err(format!("{text:?}: expected {expected:?}, got {error:?}"))
            }
            Err(_) => Ok(()),
        }
    }

    #[test]
    fn finds_what_bitbake_finds() {
        let cases: Vec<Vec<Value>> = include_str!("../../../tests/data/shell_scanner.jsonl")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect();
        assert!(cases.len() >= 115 + 70, "only {} cases were read", cases.len());
        let wrong: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
        assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }
}

mod words {
    use super::*;

    #[test]
    fn quotes_inside_a_word_hide_nothing_and_call_nothing() {
        assert!(execs(r##"opt=left"middle"right"##).is_empty());
        assert_eq!(execs(r##"awk x#"one two"#"three four"#y"##), ["awk"]);
        assert_eq!(execs(r##"grep -e "end$" *.la"##), ["grep"]);
        assert_eq!(execs("sed -e 's:A{:B${:g' $file"), ["sed"]);
    }

    #[test]
    fn a_continued_line_is_one_command() {
        assert_eq!(execs("sed -e s,x,y, \\\n  one.pc \\\n\ttwo.pc"), ["sed"]);
        assert_eq!(
            execs("\nsed -e s#\"dir=.*$\"#\"dir=/usr\"# \\\n-e s#\"v=.*$\"#\"v=1\"# \\\n/x/*.pc\n"),
            ["sed"]
        );
    }

    #[test]
    fn substitutions_in_assignments_are_followed_at_every_depth() {
        assert_eq!(execs("v=$(date +%s)"), ["date"]);
        assert_eq!(execs(r##"v="$(date +%s)""##), ["date"]);
        assert_eq!(execs(r##"v="$(one "$(two x$(three))")""##), ["one", "three", "two"]);
        assert_eq!(execs(r##"v="$(one "$(two)") $(three)""##), ["one", "three", "two"]);
        assert_eq!(execs(r##"v="\"a\"b$(one)""##), ["one"]);
        assert!(execs(r##"v="a$()b""##).is_empty());
    }

    #[test]
    fn backquotes_are_followed_like_dollar_parentheses() {
        assert_eq!(execs("v=`date +%s`"), ["date"]);
        assert_eq!(execs(r##"v="`date`""##), ["date"]);
        assert_eq!(execs(r##"v="`one x` `two`""##), ["one", "two"]);
        assert_eq!(execs(r##"v="\"a\"b`one`""##), ["one"]);
        assert!(execs(r##"v="a``b""##).is_empty());
    }

    #[test]
    fn parameter_modifiers_are_no_syntax_of_ours() {
        for modifier in ["=", "?", "#", "%", "##", "%%"] {
            assert!(execs(&format!("${{left{modifier}right}}")).is_empty());
        }
    }
}

mod commands {
    use super::*;

    #[test]
    fn loops_and_branches_are_entered() {
        assert_eq!(execs("until false; do echo again; done"), ["echo", "false"]);
        assert_eq!(execs("\ncase $choice in\n*)\nfallback\n;;\nesac\n"), ["fallback"]);
    }

    #[test]
    fn assignments_before_a_command_are_skipped() {
        assert_eq!(execs("x=1 y='two words' tool a b c"), ["tool"]);
    }

    #[test]
    fn redirections_and_here_documents_are_not_commands() {
        assert_eq!(execs("echo text >/some/file"), ["echo"]);
        assert_eq!(execs("\ncat <<END\nrm\nmv $(cp)\nEND\n"), ["cat"]);
        assert_eq!(execs("\ncat <<END >/cache\na_cv_x=/mail\nb_cv_y=$(run)\nEND\n"), ["cat"]);
    }

    #[test]
    fn functions_of_the_text_are_not_external_commands() {
        let found = scan("helper() {\n\ttool\n}\nhelper\nother\n");
        let expected = ShellScan {
            execs: names(&["other", "tool"]),
            all_execs: names(&["helper", "other", "tool"]),
            funcdefs: names(&["helper"]),
        };
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn functions_defined_in_substitutions_count() {
        assert_eq!(execs("x=`f() { a; }; f`\nf\n"), ["a"]);
    }
}

mod refusals {
    use super::*;

    /// Place and text of the refusal.
    #[track_caller]
    fn check(code: &str, line: usize, column: usize, words: &[&str]) {
        let error = refusal(code);
        assert_eq!((error.line, error.column), (line, column), "{code:?}: {error}");
        for word in words {
            assert!(error.message.contains(word), "{code:?}: {word:?} is missing in: {error}");
        }
    }

    #[test]
    fn foreign_syntax_is_named_with_its_replacement() {
        check("a\n b=(1 2)", 2, 5, &["arrays", "set --"]);
        check("{ local b=(1 2); }", 1, 11, &["arrays"]);
        check("foo <<< x", 1, 7, &["here-strings", "printf"]);
        check("diff <(a) <(b)", 1, 7, &["process substitution", "pipe"]);
        check("a |& b", 1, 4, &["`|&`", "2>&1 |"]);
        check("x=$((1 + 2))", 1, 3, &["arithmetic", "expr"]);
        check("select x in a; do b; done", 1, 16, &["`select`"]);
        check("function f() { a; }", 1, 12, &["`function`", "name()"]);
        check("for i; do a; done", 1, 6, &["`for` without `in`", "\"$@\""]);
        check("case x in a) b;& esac", 1, 16, &["`;;`"]);
    }

    #[test]
    fn unfinished_text_points_at_what_was_begun() {
        check("a\n  if b; then\n\tc\n", 2, 3, &["`if`", "add its `fi`"]);
        check("a\necho \"b\nc", 2, 6, &["double quote", "closing"]);
        check("a é $(b\nc", 1, 5, &["`$(`", "`)`"]);
        check("a && \n", 1, 5, &["`&&`", "add the command"]);
        check("a # b", 1, 3, &["comment", "newline"]);
        check("cat <<EOF", 1, 5, &["here-document"]);
        check("cat <<EOF\nEOF\n", 1, 10, &["here-document is empty"]);
    }

    #[test]
    fn misplaced_words_say_what_is_missing() {
        check("if a; then\nfi\n", 2, 1, &["no command between `then` and `fi`", "`:`"]);
        check("if [ x ] then\n\ta\nfi\n", 3, 1, &["`if` still lacks its `then`", "newline before"]);
        check("for x in a do b; done", 1, 12, &["`do` stands among the words", "`;`"]);
        check("if a; then\n\techo )\nfi", 2, 7, &["`)` closes nothing"]);
        check("a; b; fi", 1, 7, &["`fi` belongs to nothing"]);
        check("echo else", 1, 6, &["quote it"]);
        check("a;; b", 1, 2, &["`;;`", "`case`"]);
        check("[[ $v =~ ^x$ ]]", 1, 12, &["`^x$`", "`\\$`"]);
    }

    #[test]
    fn places_inside_substitutions_are_places_in_the_text() {
        check("a\nb \"x $(c\n d )\" $(e; ; ; f)\n", 3, 14, &["separators"]);
        check("x=\"$(`a\n b)`)\"", 2, 3, &["closes nothing"]);
    }

    #[test]
    fn the_first_refusal_is_the_one_reported() {
        // The second word is invalid as a word, the first one's substitution as text: BitBake meets that first.
        assert_eq!(refusal("a $(b;;) x$ y").reference, "LexToken(DSEMI,';;',0,0)\nfollowed by:\n");
        assert_eq!(refusal("a x$ $(b;;) y").reference, "Invalid token \"%s\"");
    }

    #[test]
    fn tokens_are_shown_as_python_shows_strings() {
        let reference = |code| refusal(code).reference;
        assert_eq!(
            reference("} it\\'s"),
            "LexToken(Rbrace,'}',0,0)\nfollowed by:\n  LexToken(TOKEN,\"it\\\\'s\",0,0)\n"
        );
        assert_eq!(
            reference("} '\"\u{1}é\u{ad}\u{a0}\u{200b}\u{1f600}e\u{301}\r\\'\\'"),
            "LexToken(Rbrace,'}',0,0)\nfollowed by:\n  LexToken(TOKEN,\
             '\\'\"\\x01é\\xad\\xa0\\u200b\u{1f600}e\u{301}\\r\\\\\\'\\\\\\'',0,0)\n"
        );
    }
}

mod limits {
    use super::*;

    fn nested(before: &str, inner: &str, after: &str, depth: usize) -> String {
        [before.repeat(depth), inner.to_owned(), after.repeat(depth)].concat()
    }

    #[test]
    fn nesting_that_bitbake_reads_is_read() {
        // BitBake's own limits are Python's stack: 246 compound commands, 141 substitutions or evals.
        for (before, after) in
            [("{ ", " }"), ("( ", " )"), ("if a; then ", "; fi"), ("case a in a) ", ";; esac")]
        {
            assert!(execs(&nested(before, "deep", after, 246)).contains(&"deep".to_owned()));
        }
        assert_eq!(execs(&nested("a $(", "deep", ")", 141)), ["a", "deep"]);
        assert_eq!(execs(&nested("a \"$(", "deep", ")\"", 141)), ["a", "deep"]);
        assert_eq!(execs(&nested("eval ", "deep", "", 141)), ["deep"]);
    }

    #[test]
    fn deeper_nesting_is_refused_not_followed() {
        for depth in [300, 10_000] {
            for (before, after) in
                [("{ ", " }"), ("( ", " )"), ("f() { ", " }"), ("a $(", ")"), ("eval ", "")]
            {
                let error = refusal(&nested(before, "deep", after, depth));
                assert_eq!(error.kind, ShellErrorKind::NotImplemented);
                assert!(error.message.contains("deeper than"), "{error}");
            }
        }
        // Inside one word, nesting is no recursion for anybody.
        assert_eq!(execs(&nested("a ${b:-", "", "}", 900)), ["a"]);
    }

    #[test]
    fn a_quarter_of_a_megabyte_of_stack_per_hundred_levels_is_enough() {
        let code = nested("{ ", "deep", " }", 250);
        let thread = std::thread::Builder::new().stack_size(640 * 1024);
        let found = thread.spawn(move || scan(&code)).expect("a thread").join();
        assert_eq!(found.expect("no overflow").map(|found| found.execs), Ok(names(&["deep"])));
    }

    /// Each of these takes hours if some step looks at the same text again and again.
    #[test]
    fn hostile_text_takes_linear_time() {
        let doubling = (0..140).fold("b".to_owned(), |inner, _| format!("eval a $({inner})"));
        assert_eq!(execs(&doubling), ["a", "b"]);
        assert_eq!(execs(&format!("cat {}\n{}", "<<A ".repeat(100_000), "x\nA\n".repeat(100_000))), ["cat"]);
        let widening = (0..120).fold("b".to_owned(), |inner, _| format!("{}$({inner})", "eval ".repeat(100)));
        assert!(scan(&widening).is_err());
        for piece in [
            "$(",
            "`",
            "\"",
            "'",
            "${",
            "\\\n",
            "a\\\n",
            "(",
            "a|",
            "a&&",
            "! ",
            "a;",
            "if ",
            "a() ",
            "case a in ",
        ] {
            let _ = scan(&piece.repeat(200_000));
        }
        assert_eq!(execs(&"a && ".repeat(200_000).add_last("b")), ["a", "b"]);
        assert_eq!(execs(&format!("a {}", "$(b)".repeat(200_000))), ["a", "b"]);
        assert_eq!(execs(&format!("a \"{}\"", "\\\n$(b)".repeat(200_000))), ["a", "b"]);
    }

    trait AddLast {
        fn add_last(self, last: &str) -> String;
    }
    impl AddLast for String {
        fn add_last(mut self, last: &str) -> String {
            self.push_str(last);
            self
        }
    }
}

mod properties {
    use super::*;

    /// Pieces of shell text that mean something to the lexer.
    const PIECES: &[&str] = &[
        " ",
        "\t",
        "\n",
        ";",
        ";;",
        "&",
        "&&",
        "|",
        "||",
        "(",
        ")",
        "<",
        "<<",
        "<<-",
        ">",
        ">>",
        ">&",
        "{",
        "}",
        "!",
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "in",
        "for",
        "while",
        "until",
        "eval",
        "a",
        "=",
        "A=1",
        "$",
        "$x",
        "${",
        "$(",
        "$((",
        "`",
        "\"",
        "'",
        "\\",
        "\\\n",
        "#",
        "EOF",
        "\nEOF\n",
        "é",
        "٣",
        "\0",
        "\u{10ffff}",
    ];

    fn soup() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop_oneof![9 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => any::<String>()],
            0..40,
        )
        .prop_map(|pieces| pieces.concat())
    }

    /// Shell text that ends with a newline, and what it calls.
    fn script() -> impl Strategy<Value = (String, BTreeSet<String>)> {
        let name = "[a-z][a-z0-9_-]{4,8}"
            .prop_filter("reserved", |name| !matches!(name.as_str(), "until" | "while"));
        let simple = (
            name,
            prop::sample::select(&["", " x", " 'a b' \"c\"", " >f 2>&1", " \\\n y", " <<E\nz\nE"][..]),
        )
            .prop_map(|(name, rest)| {
                (format!("{rest_name}{rest}\n", rest_name = name), BTreeSet::from([name]))
            });
        simple.prop_recursive(4, 24, 3, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                pair.prop_map(|((a, x), (b, y))| (format!("{a}{b}"), &x | &y)),
                (inner.clone(), inner.clone())
                    .prop_map(|((a, x), (b, y))| (format!("if {a}then\n{b}fi\n"), &x | &y)),
                (inner.clone(), inner.clone())
                    .prop_map(|((a, x), (b, y))| (format!("while\n{a}do {b}done\n"), &x | &y)),
                inner.clone().prop_map(|(a, x)| (format!("{{\n{a}}}\n"), x)),
                inner.clone().prop_map(|(a, x)| (format!("( {a})\n"), x)),
                inner.clone().prop_map(|(a, x)| (format!("case $x in\n*)\n{a};;\nesac\n"), x)),
                inner.clone().prop_map(|(a, x)| (format!("for i in 1 2\ndo\n{a}done\n"), x)),
                // A `$(` ends at the first `)`.
                inner
                    .prop_filter("closes early", |(a, _)| !a.contains(')'))
                    .prop_map(|(a, x)| (format!("outer $({a})\n"), &x | &names(&["outer"]))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_text_upsets_it(code in soup()) {
            if let Err(error) = scan(&code) {
                let lines: Vec<&str> = code.split('\n').collect();
                prop_assert!((1..=lines.len()).contains(&error.line), "{error:?}");
                let columns = lines[error.line - 1].chars().count() + 1;
                prop_assert!((1..=columns).contains(&error.column), "{error:?}");
                prop_assert!(!error.message.is_empty() && !error.reference.is_empty());
            }
        }

        #[test]
        fn every_command_of_a_script_is_found((code, commands) in script()) {
            let found = scan(&code);
            prop_assert_eq!(found.map(|found| found.execs), Ok(commands), "{}", code);
        }

        #[test]
        fn texts_one_after_the_other_call_what_each_calls(first in soup(), (second, commands) in script()) {
            prop_assume!(!first.ends_with('\\'));
            let first = format!("{first}\n");
            if let (Ok(one), Ok(both)) = (scan(&first), scan(&format!("{first}{second}"))) {
                // An open here-document may swallow what follows, but nothing is invented or lost otherwise.
                prop_assert!(both.all_execs.is_superset(&one.all_execs), "{first:?} {second:?}");
                prop_assert!(both.all_execs.is_subset(&(&one.all_execs | &commands)), "{first:?} {second:?}");
            }
        }
    }
}
