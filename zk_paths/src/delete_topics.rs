//! `/admin/delete_topics/<topic>`: the request to delete a topic. The child's name is all; it holds no data.

/// The parent; the controller watches its children.
pub const PATH: &str = "/admin/delete_topics";

/// The request for one topic.
pub fn topic_path(topic: &str) -> String {
    format!("{PATH}/{topic}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_all() {
        assert_eq!(topic_path("orders"), "/admin/delete_topics/orders");
    }
}
