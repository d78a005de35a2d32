//! Which topics a pattern means (`TopicFilter.IncludeList`): a list of regular expressions, joined by commas, each for
//! the whole name.

use regex::Regex;

use crate::error::ToolError;

/// A pattern of topic names.
#[derive(Debug, Clone)]
pub struct TopicFilter {
    pattern: Regex,
}

impl TopicFilter {
    /// Reads a pattern. Commas mean "or", blanks and quotes round it are dropped.
    pub fn new(text: &str) -> Result<TopicFilter, ToolError> {
        let text = text.trim().replace(',', "|").replace(' ', "");
        let text = text.trim_matches(['"', '\'']);
        whole(text).map(|pattern| TopicFilter { pattern })
    }

    /// Whether a topic is meant.
    pub fn allows(&self, topic: &str, exclude_internal: bool) -> bool {
        self.pattern.is_match(topic) && !(exclude_internal && is_internal(topic))
    }
}

/// An expression that must match a whole name.
pub fn whole(text: &str) -> Result<Regex, ToolError> {
    Regex::new(&format!("^(?:{text})$")).map_err(|_| ToolError::Failed(format!("{text} is an invalid regex.")))
}

/// Kafka's own topics (`Topic.isInternal`).
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_for_whole_names() {
        for (pattern, topic, want) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("a,b.*", "bcd", true),
            (" a , b ", "b", true),
            ("'quoted'", "quoted", true),
            ("a|b", "ab", false),
            (".*", "__consumer_offsets", true),
        ] {
            assert_eq!(TopicFilter::new(pattern).unwrap().allows(topic, false), want, "{pattern} {topic}");
        }
        assert!(!TopicFilter::new(".*").unwrap().allows("__transaction_state", true));
        assert_eq!(TopicFilter::new("a(").unwrap_err().to_string(), "a( is an invalid regex.");
    }
}
