//! Names of users and clients inside paths: percent-encoded as Kafka's `Sanitizer` does it, which is Java's
//! URL encoding with `%20` for the blank and `%2A` for the asterisk. Topics and broker ids go as they are.

/// Encodes a name for a path: all but ASCII letters, digits, `.`, `-` and `_` become `%XX` per UTF-8 byte.
pub fn sanitize(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Reverses [`sanitize`], and like Java's URL decoding reads `+` as a blank. `None` when a `%` is not followed by two
/// hexadecimal digits or the bytes are not UTF-8.
pub fn desanitize(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = tail;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_look_as_kafka_writes_them() {
        for (name, encoded) in [
            ("User with blank*", "User%20with%20blank%2A"),
            ("c/1", "c%2F1"),
            ("a+b~", "a%2Bb%7E"),
            ("CN=ü,O=x", "CN%3D%C3%BC%2CO%3Dx"),
            ("plain-1.2_3", "plain-1.2_3"),
        ] {
            assert_eq!(sanitize(name), encoded);
            assert_eq!(desanitize(encoded).unwrap(), name);
        }
        assert_eq!(desanitize("a+b").unwrap(), "a b");
        for bad in ["%", "%2", "%zz", "%+1", "%FF"] {
            assert_eq!(desanitize(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in ".*") {
            prop_assert_eq!(desanitize(&sanitize(&name)), Some(name));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = desanitize(&text);
        }
    }
}
