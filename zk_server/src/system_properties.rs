//! What a Java server would be told by `-Dname=value`. Kafka's scripts take such options from the environment variable
//! `KAFKA_OPTS`, so that is where ours come from too.

use std::collections::BTreeMap;

/// System properties by name.
pub type SystemProperties = BTreeMap<String, String>;

/// The properties among a JVM's options; options of other kinds are passed over. As in Kafka's scripts, blanks separate
/// and quotes do not protect them.
pub fn parse(options: &str) -> SystemProperties {
    let named = options.split_whitespace().filter_map(|option| option.strip_prefix("-D"));
    named.map(|option| option.split_once('=').unwrap_or((option, ""))).map(|(k, v)| (k.into(), v.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_properties_are_taken() {
        let parsed = parse(" -Xmx1G -Da.b=c=d  -De -D -jar x -Da.b=later\n");
        let expected = [("", ""), ("a.b", "later"), ("e", "")].map(|(k, v)| (k.to_string(), v.to_string()));
        assert_eq!(parsed, expected.into());
    }
}
