//! Java `.properties` text: reading with `java.util.Properties`' rules, and writing what Java can read back.
//!
//! `server.properties`, `meta.properties` and the tools' `--command-config` files come through here. Beware: Java reads such a file as
//! Latin-1; other characters need `\uXXXX`. The order of a file is kept; a key set twice has its last value.

use std::fmt::Write;
use std::path::Path;

/// Largest properties file read: a real one has a few KB; this only keeps a wrong path (a device, a log) from filling memory.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Keys and values in file order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Properties(Vec<(String, String)>);

/// The text is not properties.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// A `\u` without four hexadecimal digits.
    #[error("Malformed \\uxxxx encoding in line {line}")]
    Unicode {
        /// Line of the file, from 1, in which the logical line starts.
        line: usize,
    },
}

impl Properties {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Sets `key`, in place when it is there.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some(slot) => slot.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(k, _)| k == key)?;
        Some(self.0.remove(at).1)
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No key at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut all = Self::new();
        pairs.into_iter().for_each(|(k, v)| all.insert(k, v));
        all
    }
}

/// Reads properties text.
///
/// # Errors
/// A malformed `\u` escape; everything else means something.
pub fn parse(text: &str) -> Result<Properties, PropertiesError> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut index = std::collections::HashMap::new();
    let mut lines = natural_lines(text).enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches(BLANKS);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while ends_in_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(BLANKS)),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        let unescape = |s| unescape(s).ok_or(PropertiesError::Unicode { line: number + 1 });
        let (key, value) = (unescape(key)?, unescape(value)?);
        match index.get(&key) {
            Some(&at) => {
                let slot: &mut (String, String) = &mut found[at];
                slot.1 = value;
            }
            None => {
                index.insert(key.clone(), found.len());
                found.push((key, value));
            }
        }
    }
    Ok(Properties(found))
}

/// Java's white space inside a line.
const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// Lines ended by `\n`, `\r` or both.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match text.find(['\n', '\r']) {
            Some(at) => {
                let after = if text[at..].starts_with("\r\n") { at + 2 } else { at + 1 };
                rest = Some(&text[after..]);
                Some(&text[..at])
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

/// An odd number of backslashes at the end joins the next line.
fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// Key and value, still escaped: the key ends at the first bare `=`, `:` or blank.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (matches!(c, '=' | ':') || BLANKS.contains(c));
            escaped = *c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let rest = line[end..].trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(BLANKS);
    (&line[..end], rest)
}

/// `None` on a malformed `\u`. Escaped surrogates that don't pair become U+FFFD.
fn unescape(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits = chars.as_str().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    chars = chars.as_str()[4..].chars();
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut buffer));
    }
    Some(String::from_utf16_lossy(&units))
}

/// Properties text Java reads back: each header line as a comment, then the pairs in order, escaped as `Properties.store` does.
pub fn write(properties: &Properties, header: &[&str]) -> String {
    let mut out = String::new();
    for line in header {
        // A line break inside a comment would become a property.
        let _ = writeln!(out, "#{}", line.replace(['\n', '\r'], " "));
    }
    for (key, value) in properties.iter() {
        escape(&mut out, key, true);
        out.push('=');
        escape(&mut out, value, false);
        out.push('\n');
    }
    out
}

fn escape(out: &mut String, text: &str, key: bool) {
    for (at, c) in text.chars().enumerate() {
        match c {
            ' ' if key || at == 0 => out.push_str("\\ "),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
}

/// Reads the file at `path`, as Latin-1, as Java does. The only I/O of this folder.
///
/// # Errors
/// The file can't be read, is absurdly large, or has a malformed escape.
pub fn read_file(path: &Path) -> std::io::Result<Properties> {
    use std::io::{Error, ErrorKind, Read};
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, "not a properties file: larger than 16 MB"));
    }
    let text: String = bytes.into_iter().map(char::from).collect();
    parse(&text).map_err(|e| Error::new(ErrorKind::InvalidData, e))
}
