//! What argparse4j does for those of Kafka's tools that use it: `cluster`, `features`, the producers' and consumers' test tools.
//!
//! Options are read by name, also `--name=value`; help goes to standard output, errors behind the usage to standard error, both with
//! exit code 1. Beware: errors are set justified in 75 columns, which scripts that compare texts see.

use super::console::Console;
use super::options::Ended;
use super::usage::words;

/// Columns of argparse4j on something that is no terminal.
const WIDTH: usize = 75;

/// An option: its long name without dashes, its short letter, what follows.
pub type Spec = (&'static str, Option<char>, Takes);

/// What follows an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value.
    One,
    /// A value, and all words behind it up to the next option.
    Many,
}

/// A parser, or one of its sub-commands.
#[derive(Clone, Copy, Debug)]
pub struct Parser {
    /// Program's name, for errors.
    pub program: &'static str,
    /// What `--help` tells: the usage, an empty line, the rest.
    pub help: &'static str,
    /// Its options, but for help.
    pub specs: &'static [Spec],
}

/// What was found: options with their values, in order, and what is left from the first word that is none.
#[derive(Debug)]
pub struct Parsed<'a> {
    found: Vec<(&'static str, &'a str)>,
    /// The sub-command and its arguments, in the main parser.
    pub rest: &'a [String],
}

impl<'a> Parsed<'a> {
    /// The last value of an option; of one without values, the empty text.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.found.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// All values of an option.
    pub fn values(&self, name: &str) -> Vec<&'a str> {
        self.found.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect()
    }
}

impl Parser {
    /// Reads options up to the first word that is none.
    ///
    /// # Errors
    /// [`Ended`], with help or the error said.
    pub fn parse<'a>(&self, args: &'a [String], console: &Console) -> Result<Parsed<'a>, Ended> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(word) = args.get(at).filter(|word| word.starts_with('-') && word.len() > 1) {
            at += 1;
            if word == "-h" || word == "--help" {
                console.print(self.help);
                return Err(Ended(1));
            }
            let (name, attached) =
                word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
            let spec = self.specs.iter().find(|(long, short, _)| match name.strip_prefix("--") {
                Some(name) => name == *long,
                None => short.is_some_and(|short| name[1..].chars().eq([short])),
            });
            let Some((long, short, takes)) = spec else {
                return Err(self.error(console, &format!("unrecognized arguments: '{word}'")));
            };
            let value = match (takes, attached) {
                (Takes::Nothing, _) => "",
                (_, Some(value)) => value,
                (_, None) => match args.get(at) {
                    Some(value) => {
                        at += 1;
                        value
                    }
                    None => {
                        return Err(
                            self.error(console, &format!("argument {}: expected one argument", shown(long, *short)))
                        );
                    }
                },
            };
            found.push((*long, value));
            while let Some(more) = args.get(at).filter(|word| *takes == Takes::Many && !word.starts_with('-')) {
                found.push((*long, more));
                at += 1;
            }
        }
        Ok(Parsed { found, rest: &args[at..] })
    }

    /// The usage and an error.
    pub fn error(&self, console: &Console, message: &str) -> Ended {
        let usage = self.help.find("\n\n").map_or(self.help, |end| &self.help[..=end]);
        console.complain(format_args!("{usage}{}", justified(&format!("{}: error: {message}", self.program), WIDTH)));
        Ended(1)
    }

    /// Ends unless exactly one of these options was given.
    ///
    /// # Errors
    /// [`Ended`], with the error said.
    pub fn one_of(&self, parsed: &Parsed<'_>, names: &[&str], console: &Console) -> Result<(), Ended> {
        let mut given = Vec::new();
        for (name, _) in parsed.found.iter().filter(|(name, _)| names.contains(name)) {
            if !given.contains(name) {
                given.push(*name);
            }
        }
        match given.as_slice() {
            [] => {
                let all: Vec<_> = names.iter().map(|name| self.full(name)).collect();
                Err(self.error(console, &format!("one of the arguments {} is required", all.join(" "))))
            }
            [_] => Ok(()),
            [first, second, ..] => Err(self.error(
                console,
                &format!("argument {}: not allowed with argument {}", self.full(second), self.full(first)),
            )),
        }
    }

    /// Ends unless all of these options were given. Of several that are missing the last is told, as argparse4j does.
    ///
    /// # Errors
    /// [`Ended`], with the error said.
    pub fn required(&self, parsed: &Parsed<'_>, names: &[&str], console: &Console) -> Result<(), Ended> {
        match names.iter().rev().find(|name| parsed.value(name).is_none()) {
            Some(name) => Err(self.error(console, &format!("argument {} is required", self.full(name)))),
            None => Ok(()),
        }
    }

    /// The value of an option as a number; `java` is what its error calls the type.
    ///
    /// # Errors
    /// [`Ended`], with the error said.
    pub fn number<N: std::str::FromStr>(
        &self,
        parsed: &Parsed<'_>,
        name: &str,
        java: &str,
        console: &Console,
    ) -> Result<Option<N>, Ended> {
        let Some(text) = parsed.value(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let why = format!("could not convert '{text}' to {java} (For input string: \"{text}\")");
            self.error(console, &format!("argument {}: {why}", self.full(name)))
        })
    }

    fn full(&self, name: &str) -> String {
        let short = self.specs.iter().find(|spec| spec.0 == name).and_then(|spec| spec.1);
        shown(name, short)
    }

    /// The sub-command among `names`.
    ///
    /// # Errors
    /// [`Ended`], with the error said.
    pub fn sub_command<'a>(&self, parsed: &Parsed<'a>, names: &[&str], console: &Console) -> Result<&'a str, Ended> {
        match parsed.rest.first() {
            None => Err(self.error(console, "too few arguments")),
            Some(name) if names.contains(&name.as_str()) => Ok(name),
            Some(name) => {
                let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
                Err(self.error(console, &format!("invalid choice: '{name}' (choose from {})", quoted.join(", "))))
            }
        }
    }
}

/// `--bootstrap-server/-b`.
fn shown(long: &str, short: Option<char>) -> String {
    match short {
        Some(short) => format!("--{long}/-{short}"),
        None => format!("--{long}"),
    }
}

/// A paragraph (a word counts with the blank behind it), each line but the last filled up by wider gaps: those in the middle first.
pub fn justified(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        if !line.is_empty() && line.chars().count() + word.chars().count() > width {
            lines.push(filled(line.trim_end(), width));
            line = String::new();
        }
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines.join("\n")
}

fn filled(line: &str, width: usize) -> String {
    let parts: Vec<&str> = line.split(' ').collect();
    let (gaps, missing) = (parts.len() - 1, width.saturating_sub(line.chars().count()));
    if gaps == 0 {
        return line.to_owned();
    }
    let (each, more) = (missing / gaps, missing % gaps);
    let first = (gaps - more).div_ceil(2);
    let mut text = String::new();
    for (i, part) in parts.iter().enumerate() {
        text.push_str(part);
        if i < gaps {
            let wide = (first..first + more).contains(&i);
            text.push_str(&" ".repeat(1 + each + usize::from(wide)));
        }
    }
    text
}
