//! Options as joptsimple reads them: `--name value`, `--name=value`, `-name value`, repeated, in any order, never abbreviated.
//!
//! A tool states its options once, in a table of [`Spec`]s, from which both the parser and the help text (`usage`) work. Beware: an
//! option that takes a value takes the next argument whatever it looks like, so that `--time -1` works; words without an option are
//! collected and, as in Kafka's tools, mostly left alone.

use super::console::Console;
use super::java::Exception;
use super::usage;

/// Type of an option's value: only its name in the table, and what an error calls it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// A 32-bit number.
    Integer,
    /// A 64-bit number.
    Long,
    /// `preferred` or `unclean`.
    ElectionType,
}

impl Kind {
    /// The simple name of its Java class; of a choice, the words.
    pub fn java(self) -> &'static str {
        match self {
            Kind::Text => "String",
            Kind::Integer => "Integer",
            Kind::Long => "Long",
            Kind::ElectionType => "[PREFERRED,UNCLEAN]",
        }
    }
}

/// What follows an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    /// Nothing.
    None,
    /// A value.
    Required {
        /// Its type.
        kind: Kind,
        /// What it is, for the table; may be empty.
        described: &'static str,
    },
    /// A value, unless the next word is an option or there is none.
    Optional {
        /// Its type.
        kind: Kind,
        /// What it is, for the table; may be empty.
        described: &'static str,
    },
}

/// An option's description.
#[derive(Clone, Copy, Debug)]
pub enum Text {
    /// Fixed.
    Plain(&'static str),
    /// Put together when asked for: with the names of all topic configs, for instance.
    Computed(fn() -> String),
}

impl Text {
    /// The description.
    pub fn text(&self) -> String {
        match self {
            Text::Plain(text) => (*text).to_owned(),
            Text::Computed(text) => text(),
        }
    }
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Name, without dashes.
    pub name: &'static str,
    /// What follows it.
    pub arg: Arg,
    /// Its value when it is not given, for the table and for [`Options::value`].
    pub default: Option<&'static str>,
    /// What it does.
    pub text: Text,
}

/// An option without value.
pub const fn flag(name: &'static str, text: &'static str) -> Spec {
    Spec { name, arg: Arg::None, default: None, text: Text::Plain(text) }
}

/// An option with a text value.
pub const fn text(name: &'static str, described: &'static str, text: &'static str) -> Spec {
    Spec { name, arg: Arg::Required { kind: Kind::Text, described }, default: None, text: Text::Plain(text) }
}

/// An option with a number.
pub const fn integer(name: &'static str, described: &'static str, text: &'static str) -> Spec {
    Spec { name, arg: Arg::Required { kind: Kind::Integer, described }, default: None, text: Text::Plain(text) }
}

/// An option with a large number.
pub const fn long(name: &'static str, described: &'static str, text: &'static str) -> Spec {
    Spec { name, arg: Arg::Required { kind: Kind::Long, described }, default: None, text: Text::Plain(text) }
}

impl Spec {
    /// The same option with a default.
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The same option with a description made when it is asked for.
    pub const fn described_by(mut self, text: fn() -> String) -> Self {
        self.text = Text::Computed(text);
        self
    }
}

/// `--help`, which every tool has.
pub const HELP: Spec = flag("help", "Print usage information.");
/// `--version`, which every tool has.
pub const VERSION: Spec = flag("version", "Display Kafka version.");

/// Options of older tools, which scripts and recipes still name, and what is typed instead.
const RETIRED: &[(&str, &str)] = &[
    ("zookeeper", "type --bootstrap-server HOST:9092, with a broker's address, instead"),
    ("broker-list", "type --bootstrap-server instead"),
    ("new-consumer", "leave it out"),
    ("new-producer", "leave it out"),
    ("zk-tls-config-file", "type --command-config with a client's properties instead"),
    ("blacklist", "type a regular expression that leaves these topics out behind --include instead"),
    ("delete-consumer-offsets", "type kafka-consumer-groups.sh --delete-offsets instead"),
    ("security-protocol", "type --command-config with a file that has security.protocol instead"),
];

/// What `--version` prints: the version whose tools these are like.
pub const KAFKA_VERSION: &str = "3.9.2";

/// Options that were given, in their order.
#[derive(Debug)]
pub struct Options {
    specs: &'static [Spec],
    found: Vec<(&'static Spec, Option<String>)>,
    no_arguments: bool,
}

/// Why a command ends before it has done anything; what is to be said has been said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended(pub u8);

impl Options {
    /// Reads arguments.
    ///
    /// # Errors
    /// joptsimple's, for an unknown option or a missing value.
    pub fn parse(specs: &'static [Spec], args: &[String]) -> Result<Self, Exception> {
        let mut found = Vec::new();
        let mut rest = args.iter().peekable();
        while let Some(word) = rest.next() {
            if word == "--" {
                break;
            }
            let Some(body) = word.strip_prefix('-').filter(|body| !body.is_empty()) else { continue };
            let long = body.strip_prefix('-');
            let (name, attached) = match long.unwrap_or(body).split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long.unwrap_or(body), None),
            };
            let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
                // A single dash is followed by letters, each an option.
                let said = if long.is_some() { name.to_owned() } else { body.chars().take(1).collect() };
                let instead = RETIRED.iter().find(|(retired, _)| *retired == said);
                let instead = instead.map_or(String::new(), |(_, what)| format!(": it is retired, {what}"));
                return Err(Exception::new(
                    "joptsimple.UnrecognizedOptionException",
                    format!("{said} is not a recognized option{instead}"),
                ));
            };
            let value = match spec.arg {
                Arg::None => None,
                Arg::Required { .. } => match attached.or_else(|| rest.next().cloned()) {
                    Some(value) => Some(value),
                    None => {
                        let why = format!("Option {name} requires an argument");
                        return Err(Exception::new("joptsimple.OptionMissingRequiredArgumentException", why));
                    }
                },
                Arg::Optional { .. } => attached.or_else(|| rest.next_if(|next| !next.starts_with('-')).cloned()),
            };
            found.push((spec, value));
        }
        Ok(Self { specs, found, no_arguments: args.is_empty() })
    }

    /// Was nothing given at all?
    pub fn no_arguments(&self) -> bool {
        self.no_arguments
    }

    /// Was the option given?
    pub fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(spec, _)| spec.name == name)
    }

    /// The options given, in their order.
    pub fn order(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.found.iter().map(|(spec, value)| (spec.name, value.as_deref()))
    }

    /// All values of an option.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.order().filter(|(n, _)| *n == name).filter_map(|(_, value)| value).collect()
    }

    /// The value of an option, or its default.
    ///
    /// # Errors
    /// When it was given twice.
    pub fn value(&self, name: &str) -> Result<Option<&str>, Exception> {
        match self.values(name).as_slice() {
            [] => Ok(self.specs.iter().find(|spec| spec.name == name).and_then(|spec| spec.default)),
            [value] => Ok(Some(value)),
            _ => {
                let why = format!("Found multiple arguments for option {name}, but you asked for only one");
                Err(Exception::new("joptsimple.MultipleArgumentsForOptionException", why))
            }
        }
    }

    /// The value of an option as a number.
    ///
    /// # Errors
    /// When it is none, or was given twice.
    pub fn integer(&self, name: &str) -> Result<Option<i32>, Exception> {
        self.number(name)
    }

    /// The value of an option as a large number.
    ///
    /// # Errors
    /// When it is none, or was given twice.
    pub fn long(&self, name: &str) -> Result<Option<i64>, Exception> {
        self.number(name)
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Exception> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let number = Exception::number_format(text);
            let reflection = Exception::new("joptsimple.internal.ReflectionException", number.line()).because(number);
            let why = format!("Cannot parse argument '{text}' of option {name}");
            Exception::new("joptsimple.OptionArgumentConversionException", why).because(reflection)
        })
    }

    /// Prints the help for `--help` or no arguments at all, or the version for `--version`.
    ///
    /// # Errors
    /// [`Ended`] when one was printed.
    pub fn help_or_version(&self, console: &Console, sentence: &str) -> Result<(), Ended> {
        if self.no_arguments || self.has(HELP.name) {
            return self.usage(console, sentence);
        }
        if self.has(VERSION.name) {
            console.say(KAFKA_VERSION);
            return Err(Ended(0));
        }
        Ok(())
    }

    /// A message and the table of options, on standard error; exit code 1.
    ///
    /// # Errors
    /// Always, so that the caller can end with `?`.
    pub fn usage(&self, console: &Console, message: &str) -> Result<(), Ended> {
        console.complain(format_args!("{message}\n{}", usage::table(self.specs).trim_end_matches('\n')));
        Err(Ended(1))
    }

    /// Ends with the usage when one of these is missing.
    ///
    /// # Errors
    /// [`Ended`] with what is missing said.
    pub fn require(&self, console: &Console, names: &[&str]) -> Result<(), Ended> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => self.usage(console, &format!("Missing required argument \"[{name}]\"")),
            None => Ok(()),
        }
    }

    /// Ends with the usage when `used` was given beside one of `others`.
    ///
    /// # Errors
    /// [`Ended`] with the first such pair said.
    pub fn exclude(&self, console: &Console, used: &str, others: &[&str]) -> Result<(), Ended> {
        match others.iter().find(|other| self.has(used) && self.has(other)) {
            Some(other) => self.usage(console, &format!("Option \"[{used}]\" can't be used with option \"[{other}]\"")),
            None => Ok(()),
        }
    }
}
