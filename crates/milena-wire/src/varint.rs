//! Variable-length integers as Kafka writes them: base 128, least significant group first;
//! signed values in zigzag form. Knows nothing of what the integers mean.

#[cfg(test)]
mod tests;

/// Why an integer could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VarintError {
    /// The bytes ended within the integer.
    #[error("the bytes end within a variable-length integer")]
    Truncated,
    /// The integer has more bits than its type.
    #[error("a variable-length integer is longer than its type allows")]
    TooLong,
}

/// Reads an unsigned integer of up to 32 bits and moves `bytes` behind it.
///
/// # Errors
/// [`VarintError`] when the bytes end too early or the value has more than 32 bits.
#[inline]
pub fn read_u32(bytes: &mut &[u8]) -> Result<u32, VarintError> {
    match **bytes {
        [first, ref rest @ ..] if first < 0x80 => {
            *bytes = rest;
            Ok(u32::from(first))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *bytes = rest;
            Ok(u32::from(first & 0x7f) | u32::from(second) << 7)
        }
        _ => read_u32_slow(bytes),
    }
}

fn read_u32_slow(bytes: &mut &[u8]) -> Result<u32, VarintError> {
    let value = read_groups(bytes, 5)?;
    u32::try_from(value).map_err(|_| VarintError::TooLong)
}

/// Reads an unsigned integer of up to 64 bits and moves `bytes` behind it.
///
/// # Errors
/// [`VarintError`] when the bytes end too early or the value has more than 64 bits.
#[inline]
pub fn read_u64(bytes: &mut &[u8]) -> Result<u64, VarintError> {
    match **bytes {
        [first, ref rest @ ..] if first < 0x80 => {
            *bytes = rest;
            Ok(u64::from(first))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *bytes = rest;
            Ok(u64::from(first & 0x7f) | u64::from(second) << 7)
        }
        _ => read_groups(bytes, 10),
    }
}

fn read_groups(bytes: &mut &[u8], groups_max: usize) -> Result<u64, VarintError> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(groups_max).enumerate() {
        if index == 9 && byte > 1 {
            return Err(VarintError::TooLong);
        }
        value |= u64::from(byte & 0x7f) << (index * 7);
        if byte < 0x80 {
            *bytes = bytes.get(index + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    if bytes.len() < groups_max {
        Err(VarintError::Truncated)
    } else {
        Err(VarintError::TooLong)
    }
}

/// Reads a zigzag integer of up to 32 bits and moves `bytes` behind it.
///
/// # Errors
/// As [`read_u32`].
#[inline]
pub fn read_i32(bytes: &mut &[u8]) -> Result<i32, VarintError> {
    let raw = read_u32(bytes)?;
    Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Reads a zigzag integer of up to 64 bits and moves `bytes` behind it.
///
/// # Errors
/// As [`read_u64`].
#[inline]
pub fn read_i64(bytes: &mut &[u8]) -> Result<i64, VarintError> {
    let raw = read_u64(bytes)?;
    Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Appends an unsigned integer.
#[inline]
pub fn write_u32(out: &mut Vec<u8>, value: u32) {
    write_u64(out, u64::from(value));
}

/// Appends an unsigned integer.
#[inline]
pub fn write_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends an integer in zigzag form.
#[inline]
pub fn write_i32(out: &mut Vec<u8>, value: i32) {
    write_u64(out, u64::from(zigzag_i32(value)));
}

/// Appends an integer in zigzag form.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    write_u64(out, zigzag_i64(value));
}

/// The zigzag form: small magnitudes of either sign become small numbers.
#[inline]
#[must_use]
pub const fn zigzag_i32(value: i32) -> u32 {
    (value << 1 ^ value >> 31) as u32
}

/// The zigzag form: small magnitudes of either sign become small numbers.
#[inline]
#[must_use]
pub const fn zigzag_i64(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// How many bytes [`write_u64`] appends: 1 to 10.
#[inline]
#[must_use]
pub const fn size_u64(value: u64) -> usize {
    // Nine sixty-fourths stand for one seventh; exact for every bit length up to 64.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// How many bytes [`write_u32`] appends: 1 to 5.
#[inline]
#[must_use]
pub const fn size_u32(value: u32) -> usize {
    size_u64(value as u64)
}

/// How many bytes [`write_i32`] appends: 1 to 5.
#[inline]
#[must_use]
pub const fn size_i32(value: i32) -> usize {
    size_u64(zigzag_i32(value) as u64)
}

/// How many bytes [`write_i64`] appends: 1 to 10.
#[inline]
#[must_use]
pub const fn size_i64(value: i64) -> usize {
    size_u64(zigzag_i64(value))
}
