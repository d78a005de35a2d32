//! What a topic may be called, and which topics are Kafka's own (`org.apache.kafka.common.internals.Topic`).

/// The group coordinator's log.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// The transaction coordinator's log.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// Longest name: with a dash, a partition and a suffix it must still be a file name.
const MAX_LENGTH: usize = 249;

/// Whether clients may only read it.
pub fn is_internal(name: &str) -> bool {
    name == CONSUMER_OFFSETS || name == TRANSACTION_STATE
}

/// Checks a name; the error is Kafka's text.
pub fn validate(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("Topic name is invalid: the empty string is not allowed".into());
    }
    if name == "." || name == ".." {
        return Err(format!("Topic name is invalid: '{name}' is not allowed"));
    }
    let length = name.encode_utf16().count();
    if length > MAX_LENGTH {
        return Err(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length {MAX_LENGTH}"
        ));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return Err(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        ));
    }
    Ok(())
}

/// Whether two names cannot stand side by side because metrics write `.` and `_` alike.
pub fn collide(one: &str, other: &str) -> bool {
    let unified = |byte: u8| if byte == b'.' { b'_' } else { byte };
    one.bytes().map(unified).eq(other.bytes().map(unified))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "a".repeat(MAX_LENGTH);
        for good in ["a", "a.b_c-D9", "...", &longest] {
            assert_eq!(validate(good), Ok(()), "{good}");
        }
        let too_long = "a".repeat(MAX_LENGTH + 1);
        for bad in ["", ".", "..", "a b", "a/b", "ä", "a\0", &too_long] {
            assert!(validate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert!(collide("a.b", "a_b"));
        assert!(!collide("a.b", "a-b"));
        assert!(!collide("a.b", "a.bc"));
    }
}
