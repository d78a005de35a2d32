//! Text that shares the memory of the frame it came in.
//!
//! Invariant: the bytes are UTF-8, checked where a `Str` is made. A `Str` read from a frame keeps the whole frame alive:
//! whoever stores one beyond the request copies it, as `Arc<str>` or with [`Str::detached`].

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

/// Cheaply cloned text.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Str(Bytes);

impl Str {
    /// Wraps a literal.
    pub const fn from_static(text: &'static str) -> Str {
        Str(Bytes::from_static(text.as_bytes()))
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        // Checked when made; checking again is how safe code gets at it, and names are short.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy with memory of its own, for keeping beyond the request.
    pub fn detached(&self) -> Str {
        Str(Bytes::copy_from_slice(&self.0))
    }
}

/// The bytes, which are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not UTF-8")]
pub struct NotUtf8(pub Bytes);

impl TryFrom<Bytes> for Str {
    type Error = NotUtf8;

    #[inline]
    fn try_from(bytes: Bytes) -> Result<Str, NotUtf8> {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Str(bytes)),
            Err(_) => Err(NotUtf8(bytes)),
        }
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str(text.into())
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Str {
        text.as_str().into()
    }
}

impl From<Arc<str>> for Str {
    fn from(text: Arc<str>) -> Str {
        (&*text).into()
    }
}

impl From<&Arc<str>> for Str {
    fn from(text: &Arc<str>) -> Str {
        (&**text).into()
    }
}

impl From<&Str> for Arc<str> {
    fn from(text: &Str) -> Arc<str> {
        text.as_str().into()
    }
}

impl From<Str> for Arc<str> {
    fn from(text: Str) -> Arc<str> {
        text.as_str().into()
    }
}

impl From<Str> for String {
    fn from(text: Str) -> String {
        text.as_str().into()
    }
}

impl From<Str> for Bytes {
    fn from(text: Str) -> Bytes {
        text.0
    }
}

impl Deref for Str {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn only_utf8_is_text() {
        assert_eq!(Str::try_from(Bytes::from_static(b"orders")), Ok(Str::from_static("orders")));
        for wrong in [Bytes::from_static(b"\xff\xfe"), Bytes::from_static(b"caf\xc3")] {
            assert_eq!(Str::try_from(wrong.clone()), Err(NotUtf8(wrong)));
        }
    }

    #[test]
    fn maps_keyed_by_text_answer_to_plain_strings() {
        let map = HashMap::from([(Str::from("orders"), 1)]);
        assert_eq!(map.get("orders"), Some(&1));
        assert_eq!(Arc::<str>::from(&Str::from("orders")), Arc::<str>::from("orders"));
    }

    #[test]
    fn a_detached_copy_leaves_the_frame() {
        let frame = Bytes::from(vec![b'a'; 64]);
        let text = Str::try_from(frame.slice(8..16)).unwrap();
        let copy = text.detached();
        assert_eq!(copy, text);
        drop(text);
        assert!(!copy.is_empty() && frame.is_unique());
    }
}
