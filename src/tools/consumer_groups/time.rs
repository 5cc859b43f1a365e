//! Times as `--to-datetime` and `--by-duration` take them, as milliseconds.

use chrono::DateTime;

/// `YYYY-MM-DDTHH:mm:SS.sss`, with `Z`, `+hh`, `+hhmm` or `+hh:mm` behind it; without a zone it is UTC.
///
/// # Errors
/// Java's words for what is no such time.
pub fn datetime_ms(text: &str) -> Result<i64, String> {
    let unparseable = || format!("Unparseable date: \"{text}\"");
    let Some((date, time)) = text.split_once('T') else {
        return Err("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".into());
    };
    let at = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(at);
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let zone = match (zone, digits.len()) {
        ("" | "Z", _) => "+00:00".to_owned(),
        (_, 2) => format!("{}{digits}:00", &zone[..1]),
        (_, 4) => format!("{}{}:{}", &zone[..1], &digits[..2], &digits[2..]),
        _ => return Err(unparseable()),
    };
    if !clock.contains('.') {
        return Err(unparseable());
    }
    let time = DateTime::parse_from_str(&format!("{date}T{clock}{zone}"), "%Y-%m-%dT%H:%M:%S%.f%:z");
    time.map(|time| time.timestamp_millis()).map_err(|_| unparseable())
}

/// `PnDTnHnMnS`, of which parts may be missing or negative, the seconds with a fraction.
///
/// # Errors
/// Java's words for what is no such duration.
pub fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || "Text cannot be parsed to a Duration".to_owned();
    let upper = text.to_ascii_uppercase();
    let (negative, rest) = match upper.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P').ok_or_else(wrong)?;
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return Err(wrong()),
        None => (rest, ""),
    };
    let mut total = 0.0;
    let mut parts = 0;
    for (mut text, units) in
        [(days, &[('D', 86_400_000.0)][..]), (time, &[('H', 3_600_000.0), ('M', 60_000.0), ('S', 1000.0)])]
    {
        for (unit, ms) in units {
            let Some((number, left)) = text.split_once(*unit) else { continue };
            let value: f64 = number.parse().map_err(|_| wrong())?;
            if *unit != 'S' && number.contains('.') || !number.chars().all(|c| c.is_ascii_digit() || "+-.".contains(c))
            {
                return Err(wrong());
            }
            total += value * ms;
            parts += 1;
            text = left;
        }
        if !text.is_empty() {
            return Err(wrong());
        }
    }
    if parts == 0 {
        return Err(wrong());
    }
    Ok(if negative { -(total as i64) } else { total as i64 })
}
