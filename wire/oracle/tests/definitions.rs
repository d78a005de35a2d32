//! Our declarations against the message definitions inside the kafka-clients 3.9.2 jar: every field of every message, in
//! order, with name, type, versions, nullable versions, tag, default and whether it is ignorable.
//!
//! Left out because they say nothing about bytes: `about`, `entityType`, `mapKey`, `zeroCopy`, names of structures.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use wire::schema::{Field, Struct, Type};
use wire::{ApiKey, Message, for_each_api};

/// Kafka's definitions by name, comments removed.
fn definitions() -> BTreeMap<String, Json> {
    let without_comments = |text: &str| -> String {
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    let parse = |(file, text): (String, String)| {
        let json: Json = serde_json::from_str(&without_comments(&text)).unwrap_or_else(|e| panic!("{file}: {e}"));
        (json["name"].as_str().unwrap_or_else(|| panic!("{file} has no name")).to_owned(), json)
    };
    let files = test_lab::kafka_message_definitions().into_iter();
    files.filter(|(file, _)| file.ends_with(".json")).map(parse).collect()
}

/// Compares one message and returns what differs.
fn check<M: Message>(definitions: &BTreeMap<String, Json>) -> Vec<String> {
    let Some(definition) = definitions.get(M::NAME) else { return vec![format!("{} is not defined", M::NAME)] };
    let mut differences = Differences { definition, path: M::NAME.to_owned(), found: Vec::new() };
    let versions = match (M::VERSIONS.min, M::VERSIONS.max) {
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min}-{max}"),
    };
    let valid = text(definition, "validVersions", "");
    differences.compare("validVersions", &versions, &valid);
    let flexible = M::FIRST_FLEXIBLE.map_or("none".to_owned(), |first| format!("{first}+"));
    differences.compare("flexibleVersions", &flexible, &text(definition, "flexibleVersions", ""));
    match M::TYPE {
        Type::Struct(declared) => differences.structure(declared, &definition["fields"]),
        other => differences.found.push(format!("{}: declared as {other:?}", M::NAME)),
    }
    differences.found
}

struct Differences<'a> {
    definition: &'a Json,
    path: String,
    found: Vec<String>,
}

impl Differences<'_> {
    fn compare(&mut self, what: &str, ours: &str, theirs: &str) {
        if ours != theirs {
            self.found.push(format!("{}: {what} is \"{ours}\", Kafka has \"{theirs}\"", self.path));
        }
    }

    fn structure(&mut self, ours: &Struct, theirs: &Json) {
        let theirs = theirs.as_array().cloned().unwrap_or_default();
        let names = |names: Vec<String>| names.join(" ");
        let our_names = names(ours.fields.iter().map(|field| field.name.to_owned()).collect());
        let their_names = names(theirs.iter().map(|field| snake_case(&text(field, "name", ""))).collect());
        self.compare("the list of fields", &our_names, &their_names);
        for (ours, theirs) in ours.fields.iter().zip(&theirs) {
            let outer = self.path.clone();
            self.path = format!("{outer}.{}", ours.name);
            self.field(ours, theirs);
            self.path = outer;
        }
    }

    fn field(&mut self, ours: &Field, theirs: &Json) {
        self.compare("versions", ours.versions, &text(theirs, "versions", ""));
        self.compare("nullableVersions", ours.nullable, &text(theirs, "nullableVersions", "none"));
        self.compare("taggedVersions", ours.tagged, &text(theirs, "taggedVersions", "none"));
        let tag = ours.tag.map_or(String::new(), |tag| tag.to_string());
        self.compare("tag", &tag, &text(theirs, "tag", ""));
        self.compare("default", ours.default, &text(theirs, "default", ""));
        self.compare("ignorable", &ours.ignorable.to_string(), &text(theirs, "ignorable", "false"));
        self.compare("flexibleVersions", "", &text(theirs, "flexibleVersions", ""));
        self.ty(&ours.ty, &text(theirs, "type", ""), theirs);
    }

    fn ty(&mut self, ours: &Type, theirs: &str, field: &Json) {
        let name = match ours {
            Type::Array(element) => match theirs.strip_prefix("[]") {
                Some(theirs) => return self.ty(element, theirs, field),
                None => "an array",
            },
            Type::Struct(ours) => return self.structure(ours, &self.fields_of(theirs, field)),
            Type::Bool => "bool",
            Type::Int8 => "int8",
            Type::Int16 => "int16",
            Type::Uint16 => "uint16",
            Type::Int32 => "int32",
            Type::Int64 => "int64",
            Type::Float64 => "float64",
            Type::Uuid => "uuid",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Records => "records",
        };
        self.compare("type", name, theirs);
    }

    /// A structure's fields stand with its first use or among the common structures.
    fn fields_of(&self, name: &str, field: &Json) -> Json {
        if field.get("fields").is_some() {
            return field["fields"].clone();
        }
        let common = self.definition["commonStructs"].as_array().cloned().unwrap_or_default();
        let found = common.into_iter().find(|structure| structure["name"] == name);
        found.map_or(Json::Null, |structure| structure["fields"].clone())
    }
}

fn text(json: &Json, key: &str, missing: &str) -> String {
    match &json[key] {
        Json::Null => missing.to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `IsKRaftController` → `is_kraft_controller`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.replace("KRaft", "Kraft").chars().collect();
    let mut snake = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let after_word = at > 0 && !letters[at - 1].is_uppercase();
        if letter.is_uppercase() && after_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

macro_rules! apis {
    ($($name:ident $request:ident $response:ident,)*) => {
        #[test]
        fn every_declaration_is_kafkas_definition() {
            let definitions = definitions();
            let mut differences = Vec::new();
            $(
                differences.extend(check::<wire::$request>(&definitions));
                differences.extend(check::<wire::$response>(&definitions));
            )*
            differences.extend(check::<wire::ConsumerProtocolSubscription>(&definitions));
            differences.extend(check::<wire::ConsumerProtocolAssignment>(&definitions));
            assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
        }
    };
}
for_each_api!(apis);

#[test]
fn the_table_is_what_kafka_lists_for_zookeeper_mode() {
    let mut listed: Vec<(i64, String)> = definitions()
        .into_values()
        .filter(|definition| definition["type"] == "request")
        .filter(|definition| definition["listeners"].as_array().is_some_and(|names| names.contains(&"zkBroker".into())))
        .map(|definition| (definition["apiKey"].as_i64().unwrap_or(-1), text(&definition, "name", "")))
        .collect();
    listed.sort();
    let ours: Vec<(i64, String)> =
        ApiKey::ALL.iter().map(|key| (i64::from(key.code()), format!("{key}Request"))).collect();
    assert_eq!(ours, listed);
}
