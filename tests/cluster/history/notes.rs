//! What the client programs print (`history_producer.py`, `history_consumer.py`), as events.

use super::judge::Event;

/// The events of all whole lines.
///
/// # Panics
/// On a line that no client prints.
pub fn parse(text: &str) -> Vec<Event> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter_map(|line| event(line).unwrap_or_else(|| panic!("not a note: {line:?}"))).collect()
}

/// True when the client has ended by itself and accounted for everything.
pub fn is_complete(text: &str) -> bool {
    text.ends_with('\n') && text.lines().last().is_some_and(|line| line.starts_with("END"))
}

/// None for what is not understood; none inside for what says nothing.
fn event(line: &str) -> Option<Option<Event>> {
    let words: Vec<&str> = line.split(' ').collect();
    Some(Some(match *words.as_slice() {
        ["A", partition, offset, value] => {
            let offset = offset.parse::<i64>().ok()?;
            let offset = (offset >= 0).then_some(offset);
            Event::Acked { partition: partition.parse().ok()?, offset, value: value.into() }
        }
        ["R", partition, offset, value] => {
            Event::Read { partition: partition.parse().ok()?, offset: offset.parse().ok()?, value: value.into() }
        }
        ["S", partition] => Event::Jumped { partition: partition.parse().ok()? },
        ["E", partition, reason] => Event::Refused { partition: partition.parse().ok()?, reason: reason.into() },
        ["F", _, _, _] | ["END", ..] => return Some(None),
        _ => return None,
    }))
}
