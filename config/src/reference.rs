//! The page `docs/configuration.md`, written from the tables.

use std::fmt::Write;

use crate::broker_keys::BROKER_KEYS;
use crate::definition::{Applies, Key};
use crate::quota_keys::{self, Entity};
use crate::topic_keys::TOPIC_KEYS;

/// The page as Markdown.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    broker_section(&mut page, "## Broker keys", BROKER, |key| key.applies == Applies::Everywhere);
    topic_section(&mut page);
    dynamic_section(&mut page);
    broker_section(&mut page, "## Tiered storage", TIERED, |key| key.applies == Applies::Tiered);
    broker_section(&mut page, "## Keys without effect in ZooKeeper mode", KRAFT, |key| {
        matches!(key.applies, Applies::Kraft | Applies::Migration)
    });
    page
}

const INTRODUCTION: &str = "# Configuration

<!-- Written by `KLAMM_REGENERATE=1 cargo test -p config reference` from the tables in `config/src`. Do not edit. -->

Names, types and defaults are those of Kafka 3.9.2. A value is taken from the first of these that has it: dynamic for one
broker, dynamic for all brokers, `--override` on the command line, `server.properties`, the default. For topics: the
topic's own setting, the broker's value of the key in the column *Default from*, the default.

*Change* says when a new value counts: `read-only` after a restart, `cluster-wide` at once, for one broker or all,
`per-broker` at once, for one broker.
";
const BROKER: &str = "Klamm refuses to start with a setting that it cannot honour yet, and says which.";
const TIERED: &str = "Not built yet: `remote.log.storage.system.enable=true` is refused.";
const KRAFT: &str = "Accepted, as in Kafka, so that files may be shared; `process.roles` and `controller.listener.names` \
                     must stay empty, and migration cannot be enabled.";

fn broker_section(page: &mut String, title: &str, text: &str, listed: impl Fn(&Key) -> bool) {
    let _ = write!(page, "\n{title}\n\n{text}\n\n");
    page.push_str(
        "| Name | Type | Default | Allowed | Change | Importance | Meaning |\n|---|---|---|---|---|---|---|\n",
    );
    for key in BROKER_KEYS.iter().filter(|key| !key.internal && listed(key)) {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            key.name,
            kind(key),
            default(key),
            allowed(key),
            key.scope,
            key.importance,
            key.doc
        );
    }
}

fn topic_section(page: &mut String) {
    page.push_str("\n## Topic keys\n\n");
    page.push_str("| Name | Type | Default | Allowed | Default from | Meaning |\n|---|---|---|---|---|---|\n");
    for row in TOPIC_KEYS {
        let from: Vec<String> = row.server_defaults.iter().map(|name| format!("`{name}`")).collect();
        let key = &row.key;
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} |",
            key.name,
            kind(key),
            default(key),
            allowed(key),
            from.join(", "),
            key.doc
        );
    }
}

fn dynamic_section(page: &mut String) {
    page.push_str("\n## Dynamic keys of other entities\n\n");
    page.push_str("| Entity | Name | Type | Default | Meaning |\n|---|---|---|---|---|\n");
    let entities =
        [(Entity::User, "user"), (Entity::ClientId, "client id"), (Entity::Ip, "address"), (Entity::Broker, "broker")];
    for (entity, name) in entities {
        for key in quota_keys::keys(entity) {
            let _ = writeln!(page, "| {name} | `{}` | {} | {} | {} |", key.name, kind(key), default(key), key.doc);
        }
    }
}

fn kind(key: &Key) -> String {
    key.kind.to_string().to_lowercase()
}

fn default(key: &Key) -> String {
    match key.default {
        None => "null".to_owned(),
        Some("") => "empty".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}

fn allowed(key: &Key) -> String {
    key.valid.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "the page is a file of this repository")]

    use super::*;

    #[test]
    fn the_reference_page_matches_the_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        if std::env::var_os("KLAMM_REGENERATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page(), "docs/configuration.md is old: KLAMM_REGENERATE=1 cargo test -p config reference");
    }
}
