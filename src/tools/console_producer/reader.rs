//! Lines of input as records (`LineMessageReader`): `h1:v1,h2:v2<TAB>key<TAB>value`, of which only what is asked for is looked for.
//!
//! No I/O. Lines are bytes: Kafka's reader would replace what is no UTF-8, here it goes through as it is.

use regex_automata::nfa::thompson::pikevm::PikeVM;

use crate::config::Properties;
use crate::tools::java::Exception;

/// A header's name and value.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// What a line says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line<'a> {
    /// Absent, or the null marker: none.
    pub key: Option<&'a [u8]>,
    /// The null marker: none.
    pub value: Option<&'a [u8]>,
    /// In order.
    pub headers: Vec<Header<'a>>,
}

/// How lines are read.
#[derive(Debug)]
pub struct LineReader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: Vec<u8>,
    headers_delimiter: Vec<u8>,
    headers_separator: Separator,
    headers_key_separator: Vec<u8>,
    null_marker: Option<Vec<u8>>,
}

/// Between headers: a regular expression in Kafka. One that matches nothing at all, such as `|`, is meant as it stands.
#[derive(Debug)]
enum Separator {
    Text(Vec<u8>),
    Regex(Box<PikeVM>),
}

impl LineReader {
    /// Takes the reader's properties.
    ///
    /// # Errors
    /// `KafkaException` for marks that can't be told apart.
    pub fn new(properties: &Properties) -> Result<Self, Exception> {
        let on = |key: &str| properties.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let mark = |key: &str, default: &str| properties.get(key).unwrap_or(default).to_owned();
        let key_separator = mark("key.separator", "\t");
        let (delimiter, separator) = (mark("headers.delimiter", "\t"), mark("headers.separator", ","));
        let key = mark("headers.key.separator", ":");
        let null = properties.get("null.marker");
        let marks = [
            ("key.separator", &key_separator),
            ("headers.separator", &separator),
            ("headers.delimiter", &delimiter),
            ("headers.key.separator", &key),
        ];
        for (a, b) in [(2, 1), (2, 3), (1, 3)] {
            if marks[a].1 == marks[b].1 {
                return Err(kafka(format!("{} and {} may not be equal", marks[a].0, marks[b].0)));
            }
        }
        if let Some((name, _)) = marks.iter().find(|(_, text)| Some(text.as_str()) == null) {
            return Err(kafka(format!("null.marker and {name} may not be equal")));
        }
        Ok(Self {
            parse_key: on("parse.key"),
            parse_headers: on("parse.headers"),
            ignore_error: on("ignore.error"),
            key_separator: key_separator.into_bytes(),
            headers_delimiter: delimiter.into_bytes(),
            headers_separator: Separator::new(&separator),
            headers_key_separator: key.into_bytes(),
            null_marker: null.map(|null| null.as_bytes().to_vec()),
        })
    }

    /// The record of a line; `number` counts from 1.
    ///
    /// # Errors
    /// `KafkaException` for a missing separator, unless errors are to be ignored.
    pub fn read<'a>(&self, line: &'a [u8], number: u64) -> Result<Line<'a>, Exception> {
        let (headers, rest) =
            self.cut(self.parse_headers, line, line, &self.headers_delimiter, "headers delimiter", number)?;
        let (key, value) = self.cut(self.parse_key, rest, line, &self.key_separator, "key separator", number)?;
        let headers = match headers.filter(|headers| !self.is_null(headers)) {
            Some(headers) => self.headers(headers, number)?,
            None => Vec::new(),
        };
        Ok(Line { key: key.filter(|key| !self.is_null(key)), value: Some(value).filter(|v| !self.is_null(v)), headers })
    }

    fn is_null(&self, field: &[u8]) -> bool {
        self.null_marker.as_deref() == Some(field)
    }

    /// What is before a mark, and what is behind it.
    fn cut<'a>(
        &self,
        wanted: bool,
        text: &'a [u8],
        line: &[u8],
        mark: &[u8],
        name: &str,
        number: u64,
    ) -> Result<(Option<&'a [u8]>, &'a [u8]), Exception> {
        if !wanted {
            return Ok((None, text));
        }
        match find(text, mark) {
            Some(at) => Ok((Some(&text[..at]), &text[at + mark.len()..])),
            None if self.ignore_error => Ok((None, text)),
            None => {
                let line = String::from_utf8_lossy(line);
                Err(kafka(format!("No {name} found on line number {number}: '{line}'")))
            }
        }
    }

    fn headers<'a>(&self, text: &'a [u8], number: u64) -> Result<Vec<Header<'a>>, Exception> {
        let mut headers = Vec::new();
        for pair in self.headers_separator.split(text) {
            let Some(at) = find(pair, &self.headers_key_separator) else {
                if self.ignore_error {
                    headers.push((pair, None));
                    continue;
                }
                let pair = String::from_utf8_lossy(pair);
                return Err(kafka(format!("No header key separator found in pair '{pair}' on line number {number}")));
            };
            let (key, value) = (&pair[..at], &pair[at + self.headers_key_separator.len()..]);
            if self.is_null(key) {
                let null = String::from_utf8_lossy(key);
                return Err(kafka(format!(
                    "Header keys should not be equal to the null marker '{null}' as they can't be null"
                )));
            }
            headers.push((key, Some(value).filter(|value| !self.is_null(value))));
        }
        Ok(headers)
    }
}

impl Separator {
    fn new(text: &str) -> Self {
        let literal = || Self::Text(text.as_bytes().to_vec());
        if text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ',' | ';' | ':' | '\t' | ' ' | '-' | '_' | '&' | '#'))
        {
            return literal();
        }
        match PikeVM::new(text) {
            Ok(regex) if !regex.is_match(&mut regex.create_cache(), "") => Self::Regex(Box::new(regex)),
            _ => literal(),
        }
    }

    /// The parts of a text; empty ones at the end are left out, as Java's `Pattern.split` does.
    fn split<'a>(&self, text: &'a [u8]) -> Vec<&'a [u8]> {
        let mut parts = Vec::new();
        let mut start = 0;
        match self {
            Self::Text(mark) => {
                while let Some(at) = find(&text[start..], mark) {
                    parts.push(&text[start..start + at]);
                    start += at + mark.len();
                }
            }
            Self::Regex(regex) => {
                for found in regex.find_iter(&mut regex.create_cache(), text) {
                    parts.push(&text[start..found.start()]);
                    start = found.end();
                }
            }
        }
        parts.push(&text[start..]);
        while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        parts
    }
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    match mark {
        [] => Some(0),
        [one] => text.iter().position(|byte| byte == one),
        _ => text.windows(mark.len()).position(|window| window == mark),
    }
}

fn kafka(message: String) -> Exception {
    Exception::new("org.apache.kafka.common.KafkaException", message)
}

/// Line ends are `\n`, `\r\n` or a lone `\r`, as Java's `BufferedReader` has them.
#[derive(Debug, Default)]
pub struct Lines {
    /// The last line ended with `\r`: a `\n` right behind it is its own.
    after_return: bool,
}

impl Lines {
    /// Where the first line of `bytes` ends and how many bytes its end takes; none while it goes on. `skip` bytes in front belong to
    /// the line before.
    pub fn next(&mut self, bytes: &[u8]) -> LineEnd {
        let skip = usize::from(self.after_return && bytes.first() == Some(&b'\n'));
        if !bytes.is_empty() {
            self.after_return = false;
        }
        let rest = &bytes[skip..];
        match rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            Some(at) => {
                self.after_return = rest[at] == b'\r';
                LineEnd { skip, line: at, ended: true }
            }
            None => LineEnd { skip, line: rest.len(), ended: false },
        }
    }
}

/// See [`Lines::next`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineEnd {
    /// Bytes that belong to the end of the line before.
    pub skip: usize,
    /// Bytes of this line.
    pub line: usize,
    /// Whether its end, one byte, is there.
    pub ended: bool,
}
