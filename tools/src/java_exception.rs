//! The names of Java's exceptions for error codes: some of Kafka's tools print them, and scripts look for them.

use client::Refusal;
use wire::ErrorCode;

const PACKAGE: &str = "org.apache.kafka.common.errors.";

/// The full name of the class.
pub fn class_name(code: ErrorCode) -> String {
    let name = match code {
        ErrorCode::KafkaStorageError => "KafkaStorageException".to_owned(),
        ErrorCode::UnknownServerError => "UnknownServerException".to_owned(),
        ErrorCode::RequestTimedOut => "TimeoutException".to_owned(),
        ErrorCode::CorruptMessage => "CorruptRecordException".to_owned(),
        other => {
            let words = other.name().split('_').filter(|word| *word != "EXCEPTION");
            words.map(capitalised).chain(["Exception".to_owned()]).collect()
        }
    };
    format!("{PACKAGE}{name}")
}

/// What an `ExecutionException` says of a refusal: the class of its cause, and the text.
pub fn cause(refusal: &Refusal) -> String {
    let text = refusal.message.as_deref().unwrap_or(refusal.code.meaning());
    format!("{}: {text}", class_name(refusal.code))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().into_iter();
    first.chain(letters.flat_map(char::to_lowercase)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_named_as_javas() {
        for (code, name) in [
            (ErrorCode::KafkaStorageError, "KafkaStorageException"),
            (ErrorCode::OffsetOutOfRange, "OffsetOutOfRangeException"),
            (ErrorCode::InvalidTopicException, "InvalidTopicException"),
            (ErrorCode::PolicyViolation, "PolicyViolationException"),
            (ErrorCode::RequestTimedOut, "TimeoutException"),
        ] {
            assert_eq!(class_name(code), format!("org.apache.kafka.common.errors.{name}"));
        }
    }
}
