//! `NUMERIC` on the wire: digits to the base of 10,000.
//!
//! The decimal libraries that the driver knows drop the scale (`12.50` becomes `12.5`) or are of limited size; a text keeps
//! everything.

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Decimal digits in one digit of the wire.
const WIDTH: usize = 4;

/// The text of a value; none if the bytes are no `NUMERIC`.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let count = usize::from(words.next()?);
    let weight = words.next()?.cast_signed();
    let sign = words.next()?;
    let scale = usize::from(words.next()?);
    let digits: Vec<u16> = words.collect();
    match sign {
        POSITIVE | NEGATIVE if digits.len() == count => {}
        NOT_A_NUMBER => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        NEGATIVE_INFINITY => return Some("-Infinity".to_owned()),
        _ => return None,
    }
    // The digit at position 0 is the first before the decimal point; those that are not sent are zero.
    let digit = |position: i32| {
        let index = usize::try_from(i32::from(weight) - position).ok();
        index.and_then(|index| digits.get(index)).copied().unwrap_or(0)
    };
    let mut text = String::new();
    for position in (0..=i32::from(weight.max(0))).rev() {
        text.push_str(&format!("{:04}", digit(position)));
    }
    let mut text = match text.trim_start_matches('0') {
        "" => "0".to_owned(),
        trimmed => trimmed.to_owned(),
    };
    if scale > 0 {
        let fraction: String =
            (1..).take(scale.div_ceil(WIDTH)).map(|position: i32| format!("{:04}", digit(-position))).collect();
        text.push('.');
        text.push_str(fraction.get(..scale)?);
    }
    Some(if sign == NEGATIVE { format!("-{text}") } else { text })
}

/// The bytes of a decimal text, such as `-12.50`, `1e-7` or `NaN`; none if it is no number.
pub(super) fn encode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let special = match text.to_ascii_lowercase().as_str() {
        "nan" => Some(NOT_A_NUMBER),
        "inf" | "infinity" | "+infinity" => Some(INFINITY),
        "-inf" | "-infinity" => Some(NEGATIVE_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        return Some(wire(0, sign, 0, &[]));
    }
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (NEGATIVE, rest),
        None => (POSITIVE, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let decimal: String = [whole, fraction].concat();
    if decimal.is_empty() || !decimal.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Where the decimal point stands among the digits: before them if negative.
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let scale = (i64::try_from(decimal.len()).ok()? - point).max(0);

    // Zeros on both sides, until the point stands between two digits of the wire.
    let leading = usize::try_from((-point).max(0)).ok()?;
    let before = usize::try_from(point.max(0)).ok()?;
    let padding = (WIDTH - before % WIDTH) % WIDTH;
    let mut padded = "0".repeat(padding + leading) + &decimal;
    let shortfall = (padding + before).saturating_sub(padded.len());
    padded.push_str(&"0".repeat(shortfall));
    padded.push_str(&"0".repeat((WIDTH - padded.len() % WIDTH) % WIDTH));
    let mut digits: Vec<u16> = Vec::with_capacity(padded.len() / WIDTH);
    for group in padded.as_bytes().chunks(WIDTH) {
        digits.push(group.iter().fold(0, |digit, byte| digit * 10 + u16::from(byte - b'0')));
    }
    let mut weight = i64::try_from((padding + before) / WIDTH).ok()? - 1;
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..zeros);
    weight -= i64::try_from(zeros).ok()?;
    if digits.is_empty() {
        weight = 0;
    }
    Some(wire(i16::try_from(weight).ok()?, sign, u16::try_from(scale).ok().filter(|scale| *scale < 0x4000)?, &digits))
}

fn wire(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> Vec<u8> {
    let count = u16::try_from(digits.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(8 + digits.len() * 2);
    for word in [count, weight.cast_unsigned(), sign, scale].iter().chain(digits) {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That the database reads these bytes the same way is tested against the database.
    #[test]
    fn numbers_come_back_as_they_were_written() {
        for text in [
            "0",
            "1",
            "-1",
            "12.50",
            "0.5",
            "0.0001",
            "0.00010",
            "0.00000001",
            "10000",
            "9999",
            "10001.0001",
            "100000000",
            "123456789012345678901234567890.123456789",
            "-0.1",
            "0.00",
            "NaN",
            "Infinity",
            "-Infinity",
        ] {
            assert_eq!(decode(&encode(text).unwrap()).unwrap(), text, "{text}");
        }
        for (text, plain) in [
            ("1e3", "1000"),
            ("1.5e-7", "0.00000015"),
            ("+7", "7"),
            ("007.10", "7.10"),
            (".5", "0.5"),
            ("1e-3", "0.001"),
            ("12.34e1", "123.4"),
        ] {
            assert_eq!(decode(&encode(text).unwrap()).unwrap(), plain, "{text}");
        }
        for text in ["", "x", "1.2.3", "--1", "1e", ".", "1e99999", "0x10"] {
            assert_eq!(encode(text), None, "{text}");
        }
    }
}
