//! One logical line to a statement.

use std::fmt;
use std::rc::Rc;

use pest::Parser;
use pest::iterators::Pair;

use super::text::Text;

#[derive(pest_derive::Parser)]
#[grammar = "lang/statement.pest"]
struct Grammar;

/// A statement and where it stands.
#[derive(Debug)]
pub struct Located {
    /// Its last physical line, from 1: the one BitBake reports.
    pub line: u32,
    /// Its first physical line.
    pub first: u32,
    /// The statement.
    pub statement: Statement,
}

/// The assignment operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Set,
    /// `?=` sets only what has no value
    Default,
    /// `??=` sets what is used while there is no value
    WeakDefault,
    /// `:=` expands at once
    Immediate,
    /// `+=` adds behind, with a blank
    Append,
    /// `=+` adds in front, with a blank
    Prepend,
    /// `.=` adds behind
    AppendPlain,
    /// `=.` adds in front
    PrependPlain,
}

impl Operator {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Set => "=",
            Operator::Default => "?=",
            Operator::WeakDefault => "??=",
            Operator::Immediate => ":=",
            Operator::Append => "+=",
            Operator::Prepend => "=+",
            Operator::AppendPlain => ".=",
            Operator::PrependPlain => "=.",
        }
    }

    fn parse(symbol: &str) -> Self {
        match symbol {
            "?=" => Operator::Default,
            "??=" => Operator::WeakDefault,
            ":=" => Operator::Immediate,
            "+=" => Operator::Append,
            "=+" => Operator::Prepend,
            ".=" => Operator::AppendPlain,
            "=." => Operator::PrependPlain,
            _ => Operator::Set,
        }
    }
}

/// A statement of the language.
#[derive(Debug)]
pub enum Statement {
    /// `NAME OP "VALUE"`, `NAME[FLAG] OP "VALUE"`
    Assign {
        /// With `export` in front.
        export: bool,
        /// The variable.
        name: Rc<str>,
        /// The flag, if one is set.
        flag: Option<Rc<str>>,
        /// The operator.
        operator: Operator,
        /// The text between the quotes.
        value: Text,
    },
    /// `include LIST` and `require LIST`
    Include {
        /// The files, unexpanded.
        files: Text,
        /// A missing file is an error.
        required: bool,
    },
    /// `include_all FILE`
    IncludeAll(Text),
    /// `export NAME`
    Export(Rc<str>),
    /// `unset NAME`
    Unset(Rc<str>),
    /// `unset NAME[FLAG]`
    UnsetFlag(Rc<str>, Rc<str>),
    /// `addpylib DIR NAMESPACE`
    AddPyLib {
        /// The folder, unexpanded.
        dir: Text,
        /// The package in it.
        namespace: Rc<str>,
    },
    /// `addfragments PREFIX VAR FLAGGED BUILTIN`
    AddFragments {
        /// Path of fragments in a layer, unexpanded.
        prefix: Text,
        /// The variable that lists the enabled fragments.
        fragments: Rc<str>,
        /// The variable that lists variables kept as flags per fragment.
        flagged: Rc<str>,
        /// The variable that lists built-in fragments.
        builtin: Rc<str>,
    },
    /// `NAME() {`, `python NAME() {`, `fakeroot NAME() {`, `python () {`
    Function {
        /// None: anonymous.
        name: Option<Rc<str>>,
        /// With `python`.
        python: bool,
        /// With `fakeroot`.
        fakeroot: bool,
        /// Its lines, each ended by a newline.
        body: Text,
        /// Line of the header.
        header: u32,
    },
    /// `def NAME(…):`
    Def {
        /// The function.
        name: Rc<str>,
        /// All its lines from `def` on, without a final newline.
        text: Text,
        /// The line before `def`.
        before: u32,
    },
    /// `EXPORT_FUNCTIONS NAMES`
    ExportFunctions {
        /// The names.
        names: Vec<Rc<str>>,
        /// The class that exports.
        class: Rc<str>,
    },
    /// `addtask NAMES after LIST before LIST`
    AddTask {
        /// Task names.
        names: Vec<Rc<str>>,
        /// Tasks that come after.
        before: Vec<Rc<str>>,
        /// Tasks that come before.
        after: Vec<Rc<str>>,
    },
    /// `deltask NAMES`, unexpanded
    DelTask(Text),
    /// `addhandler NAMES`
    AddHandler(Vec<Rc<str>>),
    /// `inherit LIST`, unexpanded
    Inherit(Text),
    /// `inherit_defer LIST`, unexpanded
    InheritDefer(Text),
}

/// What the first line of something in a recipe is.
pub enum Head {
    /// A whole statement.
    Statement(Statement),
    /// The header of a function; its body follows.
    Function {
        /// None: anonymous.
        name: Option<String>,
        /// With `python`.
        python: bool,
        /// With `fakeroot`.
        fakeroot: bool,
    },
    /// The first line of a `def`.
    Def {
        /// The function.
        name: String,
    },
}

/// Something accepted that shouldn't be written so.
#[derive(Debug, Clone)]
pub struct Warning {
    /// Physical line.
    pub line: u32,
    /// BitBake's text for it.
    pub text: String,
}

/// The kinds of syntax errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No statement looks like this.
    Unparsed,
    /// `= "x"`
    EmptyName,
    /// A task name with an operation in it.
    TaskKeyword,
    /// A comment goes on as something else.
    PartialComment,
    /// A comment stands inside a continued expression.
    CommentInExpression,
    /// The file ends behind a backslash.
    OpenContinuation,
    /// The file ends inside a function.
    OpenFunction,
}

/// A line that is no statement.
#[derive(Clone, Debug)]
pub struct SyntaxError {
    /// The line BitBake reports, from 1; 0 where it reports none.
    pub line: u32,
    /// The first physical line of the statement.
    pub first: u32,
    /// What is wrong.
    pub problem: Problem,
    /// BitBake's text for it.
    pub message: String,
    /// True where BitBake gives the bare message, without `ParseError at FILE:LINE`.
    pub fatal: bool,
    /// What was accepted on the lines before.
    pub warnings: Vec<Warning>,
}

impl SyntaxError {
    /// An error that BitBake reports as `ParseError`.
    pub fn new(line: u32, problem: Problem, message: String) -> Self {
        SyntaxError { line, first: line, problem, message, fatal: false, warnings: Vec::new() }
    }

    /// An error that BitBake reports by its bare message.
    pub fn fatal(line: u32, problem: Problem, message: String) -> Self {
        SyntaxError { line, first: line, problem, message, fatal: true, warnings: Vec::new() }
    }

    /// The same with the first physical line of the statement.
    pub fn starting(mut self, first: u32) -> Self {
        self.first = first;
        self
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// Recognises a line of a recipe or class.
pub fn recipe(
    line: &str,
    path: &str,
    class: &str,
    number: u32,
    warnings: &mut Vec<Warning>,
) -> Result<Head, SyntaxError> {
    // Most lines of most recipes are assignments, and none of the statements tried first has a quote before its first `=`.
    let Some(pair) = first_pair(Rule::recipe, line) else {
        return config(line, path, number, false, false, warnings).map(Head::Statement);
    };
    let rule = pair.as_rule();
    let mut inner = pair.into_inner();
    let statement = match rule {
        Rule::function => {
            let (mut python, mut fakeroot, mut name) = (false, false, None);
            for part in inner {
                match part.as_rule() {
                    Rule::python => python = true,
                    Rule::fakeroot => fakeroot = true,
                    // BitBake's own name for having none.
                    Rule::function_name if part.as_str() == "__anonymous" => {}
                    Rule::function_name => name = Some(part.as_str().to_owned()),
                    _ => {}
                }
            }
            return Ok(Head::Function { name, python, fakeroot });
        }
        Rule::def => {
            let name = inner.next().map(|name| name.as_str().to_owned()).unwrap_or_default();
            return Ok(Head::Def { name });
        }
        Rule::export_functions => {
            Statement::ExportFunctions { names: words(text_of(inner)), class: class.into() }
        }
        Rule::addtask => add_task(text_of(inner), line)?,
        Rule::deltask => Statement::DelTask(text_of(inner).into()),
        Rule::addhandler => Statement::AddHandler(words(text_of(inner))),
        Rule::inherit => Statement::Inherit(text_of(inner).into()),
        _ => Statement::InheritDefer(text_of(inner).into()),
    };
    Ok(Head::Statement(statement))
}

/// Recognises a line of a configuration file, or one that recipes share with them. `base`: the configuration stage itself reads the
/// file; `conf`: it is a `.conf` file.
pub fn config(
    line: &str,
    path: &str,
    number: u32,
    base: bool,
    conf: bool,
    warnings: &mut Vec<Warning>,
) -> Result<Statement, SyntaxError> {
    if let Some(statement) = assignment(line, path, number, warnings)? {
        return Ok(statement);
    }
    let unparsed = || SyntaxError::new(number, Problem::Unparsed, format!("unparsed line: '{line}'"));
    let pair = first_pair(Rule::config, line).ok_or_else(unparsed)?;
    let rule = pair.as_rule();
    let mut inner = pair.into_inner();
    let mut next = || inner.next().map(|part| part.as_str()).unwrap_or_default();
    Ok(match rule {
        Rule::include => Statement::Include { files: next().into(), required: false },
        Rule::require => Statement::Include { files: next().into(), required: true },
        Rule::include_all => Statement::IncludeAll(next().into()),
        Rule::export_name => Statement::Export(next().into()),
        Rule::unset => Statement::Unset(next().into()),
        Rule::unset_flag => Statement::UnsetFlag(next().into(), next().into()),
        Rule::addpylib if base && conf => {
            let [dir, namespace] = last_words(next()).ok_or_else(unparsed)?;
            Statement::AddPyLib { dir: dir.into(), namespace: namespace.into() }
        }
        Rule::addfragments => {
            let [prefix, fragments, flagged, builtin] = last_words(next()).ok_or_else(unparsed)?;
            Statement::AddFragments {
                prefix: prefix.into(),
                fragments: fragments.into(),
                flagged: flagged.into(),
                builtin: builtin.into(),
            }
        }
        _ => return Err(unparsed()),
    })
}

fn assignment(
    line: &str,
    path: &str,
    number: u32,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Statement>, SyntaxError> {
    if !line.ends_with(['"', '\'']) {
        return Ok(None);
    }
    let Some(pair) = first_pair(Rule::assignment, line) else { return Ok(None) };
    let (mut export, mut name, mut flag, mut operator, mut quoted) = (false, "", None, Operator::Set, "");
    let mut tight = false;
    for part in pair.into_inner() {
        match part.as_rule() {
            Rule::export => export = true,
            Rule::name => name = part.as_str(),
            Rule::flag => flag = Some(part.as_str()),
            Rule::operator => operator = Operator::parse(part.as_str()),
            Rule::before | Rule::after => tight |= part.as_str().is_empty(),
            Rule::value => quoted = part.as_str(),
            _ => {}
        }
    }
    let Some(value) = unquote(quoted) else { return Ok(None) };
    if name.is_empty() {
        let message = format!("Empty variable name in assignment: '{line}'");
        return Err(SyntaxError::new(number, Problem::EmptyName, message));
    }
    if tight {
        let text = format!("{path}:{number} has a lack of whitespace around the assignment: '{line}'");
        warnings.push(Warning { line: number, text });
    }
    Ok(Some(Statement::Assign {
        export,
        name: name.into(),
        flag: flag.map(Rc::from),
        operator,
        value: value.into(),
    }))
}

/// The text between the first character, a quote, and the last, which must be the same one. With exactly three of that quote there
/// is a stray one.
fn unquote(quoted: &str) -> Option<&str> {
    let quote = quoted.chars().next()?;
    let value = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    (value.matches(quote).count() != 1).then_some(value)
}

fn add_task(list: &str, line: &str) -> Result<Statement, SyntaxError> {
    const KEYWORDS: [&str; 3] = [":append", ":prepend", ":remove"];
    for word in line.split_whitespace() {
        if KEYWORDS.iter().any(|keyword| word.contains(&format!("{keyword}_"))) {
            let message = format!(
                "Task name '{word}' contains a keyword which is not recommended/supported.\nPlease rename the task not to \
                 include the keyword.\n{}",
                KEYWORDS.join("\n")
            );
            return Err(SyntaxError::new(0, Problem::TaskKeyword, message));
        }
    }
    // The keywords split the text wherever they stand, again and again; what is behind one kind ends at the next of the other.
    let clauses = |keyword: &str, other: &str| {
        let mut text = String::new();
        for part in list.split(other) {
            let behind: Vec<&str> = part.split(keyword).skip(1).collect();
            text.push_str(&behind.join(" "));
        }
        words(&text)
    };
    let head = list.split(" before ").next().unwrap_or_default();
    Ok(Statement::AddTask {
        names: words(head.split(" after ").next().unwrap_or_default()),
        before: clauses(" before ", " after "),
        after: clauses(" after ", " before "),
    })
}

fn first_pair(rule: Rule, line: &str) -> Option<Pair<'_, Rule>> {
    Grammar::parse(rule, line).ok()?.next()
}

fn text_of<'a>(mut inner: pest::iterators::Pairs<'a, Rule>) -> &'a str {
    inner.next().map(|part| part.as_str()).unwrap_or_default()
}

fn words(text: &str) -> Vec<Rc<str>> {
    text.split_whitespace().map(Rc::from).collect()
}

/// The last N words of a text, the first of them with everything in front.
fn last_words<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut parts = [""; N];
    let mut rest = text.trim();
    for part in parts.iter_mut().skip(1).rev() {
        let at = rest.rfind(char::is_whitespace)?;
        *part = rest[at..].trim_start();
        rest = rest[..at].trim_end();
    }
    (!rest.is_empty()).then(|| {
        parts[0] = rest;
        parts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(line: &str) -> Result<Statement, SyntaxError> {
        config(line, "t.conf", 1, true, true, &mut Vec::new())
    }

    #[test]
    fn assignments() {
        for (line, name, symbol, value) in [
            ("A = \"1\"", "A", "=", "1"),
            ("A+=\"2\"", "A", "+=", "2"),
            ("A\t=\t'1'", "A", "=", "1"),
            ("A:append:foo .= \"a'b\"", "A:append:foo", ".=", "a'b"),
            ("a-b_c.d+e/f~g${H} ??= \"a\" \"b\"", "a-b_c.d+e/f~g${H}", "??=", "a\" \"b"),
            ("A = \"a\"b\"c\"", "A", "=", "a\"b\"c"),
            ("A =+ \"\"", "A", "=+", ""),
        ] {
            match conf(line) {
                Ok(Statement::Assign { name: n, operator, value: v, .. }) => {
                    assert_eq!((&*n, operator.symbol(), v.as_str()), (name, symbol, value), "{line}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
        for line in
            ["A = 1", "A = \"abc'", "A = \"a\"b\"", "  A = \"1\"", "A = \"1\" # c", "A[@x] = \"1\"", "unset"]
        {
            assert!(conf(line).is_err(), "{line}");
        }
        assert_eq!(conf("= \"x\"").unwrap_err().problem, Problem::EmptyName);
    }

    #[test]
    fn task_clauses() {
        let Ok(Statement::AddTask { names, before, after }) = add_task("a b after do_x y before z w ", "")
        else {
            panic!()
        };
        let list = |items: &[Rc<str>]| items.join(" ");
        assert_eq!(
            (list(&names), list(&before), list(&after)),
            ("a b".into(), "z w".into(), "do_x y".into())
        );
    }
}
