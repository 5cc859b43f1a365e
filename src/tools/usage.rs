//! The option tables that Kafka's tools print, laid out to the character as joptsimple's `BuiltinHelpFormatter` does.
//!
//! Two columns in 80 characters: first both are wrapped to the most they may have, then the table shrinks to its widest line. Words are
//! found as Java's `BreakIterator` for lines finds them, which also breaks inside of `a.b`, after dashes and before brackets.

use super::options::{Arg, Spec};

const OVERALL_WIDTH: usize = 80;
const COLUMN_SEPARATOR_WIDTH: usize = 2;
const INDENT: &str = "  ";

/// The table of `specs`, sorted by name, each line ended.
pub fn table(specs: &[Spec]) -> String {
    let mut sorted: Vec<&Spec> = specs.iter().collect();
    sorted.sort_by_key(|spec| spec.name);
    let mut rows =
        vec![("Option".to_owned(), "Description".to_owned()), ("------".to_owned(), "-----------".to_owned())];
    rows.extend(sorted.into_iter().map(|spec| (option_text(spec), description(spec))));
    let (options, descriptions) = widths(&rows);
    let fitted: Vec<_> = rows.iter().flat_map(|(o, d)| beside(pieces(o, options), pieces(d, descriptions))).collect();
    let (options, descriptions) = widths(&fitted);
    let separator = " ".repeat(COLUMN_SEPARATOR_WIDTH);
    fitted.iter().map(|(o, d)| format!("{o:options$}{separator}{d:descriptions$}\n")).collect()
}

/// `--topic <String: name>`.
fn option_text(spec: &Spec) -> String {
    let name = spec.name;
    let inside = |kind: &str, described: &str| match described {
        "" => kind.to_owned(),
        _ => format!("{kind}: {described}"),
    };
    match &spec.arg {
        Arg::None => format!("--{name}"),
        Arg::Required { kind, described } => format!("--{name} <{}>", inside(kind.java(), described)),
        Arg::Optional { kind, described } => format!("--{name} [{}]", inside(kind.java(), described)),
    }
}

fn description(spec: &Spec) -> String {
    let text = spec.text.text();
    match spec.default {
        Some(default) => format!("{text} (default: {default})"),
        None => text,
    }
}

fn widths(rows: &[(String, String)]) -> (usize, usize) {
    let widest =
        |column: fn(&(String, String)) -> &String| rows.iter().map(|r| column(r).chars().count()).max().unwrap_or(0);
    let options = widest(|r| &r.0).min((OVERALL_WIDTH - COLUMN_SEPARATOR_WIDTH) / 2);
    (options, widest(|r| &r.1).min(OVERALL_WIDTH - options - COLUMN_SEPARATOR_WIDTH))
}

/// The lines of two columns side by side; the shorter one is filled up with empty lines.
fn beside(left: Vec<String>, right: Vec<String>) -> Vec<(String, String)> {
    let at = |lines: &[String], i: usize| lines.get(i).cloned().unwrap_or_default();
    (0..left.len().max(right.len())).map(|i| (at(&left, i), at(&right, i))).collect()
}

/// The lines of a cell of so many characters.
fn pieces(text: &str, width: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    for line in text.trim().split('\n') {
        let mut piece = String::new();
        for word in words(line) {
            // A word counts with the blanks behind it.
            if piece.chars().count() + word.chars().count() > width {
                pieces.push(piece.trim_end().to_owned());
                piece = format!("{INDENT}{word}");
            } else {
                piece.push_str(word);
            }
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    pieces
}

/// The line in parts between which it may be broken; blanks belong to the part before them.
pub(super) fn words(line: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = line.char_indices().collect();
    let mut words = Vec::new();
    let mut start = 0;
    for i in 1..chars.len() {
        if breaks(&chars, i) {
            words.push(&line[start..chars[i].0]);
            start = chars[i].0;
        }
    }
    words.push(&line[start..]);
    words
}

/// May the line be broken before character `i`?
fn breaks(chars: &[(usize, char)], i: usize) -> bool {
    let (before, after) = (chars[i - 1].1, chars[i].1);
    if after.is_whitespace() {
        return false;
    }
    match before {
        _ if before.is_whitespace() => true,
        '(' | '[' | '{' | '\'' => false,
        // A quote that opens.
        '"' if i < 2 || chars[i - 2].1.is_whitespace() || matches!(chars[i - 2].1, '(' | '[' | '{') => false,
        '-' => !after.is_ascii_digit() && !matches!(after, '-' | '(' | '[' | '{') && !closes(after),
        '.' | ',' if after.is_ascii_digit() && i >= 2 && chars[i - 2].1.is_ascii_digit() => false,
        _ if closes(before) => !closes(after) && after != '\'',
        _ if matches!(after, '(' | '[' | '{') => true,
        // A number with its sign is a word of its own.
        _ if before.is_ascii_digit() => after == '>' && signed_number_ends(chars, i),
        _ => false,
    }
}

/// Characters that stay with the word before them, and end it.
fn closes(c: char) -> bool {
    matches!(c, '"' | ')' | ']' | '}' | '!' | '%' | '.' | ',' | ':' | ';' | '?')
}

fn signed_number_ends(chars: &[(usize, char)], i: usize) -> bool {
    let digits = chars[..i].iter().rev().take_while(|(_, c)| c.is_ascii_digit()).count();
    i > digits && chars[i - digits - 1].1 == '-'
}
