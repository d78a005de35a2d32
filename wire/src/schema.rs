//! What a declaration says, as data, so that a test can hold it against Kafka's own definitions.
//!
//! Texts are those of Kafka's schemas: versions as `"0-12"`, `"9+"` or `"none"`, defaults as written there, `""` when the
//! schema names none.

/// A field's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the schema language's own")]
pub enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Array(&'static Type),
    Struct(&'static Struct),
}

/// A message or a structure inside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Struct {
    /// Our type's name.
    pub name: &'static str,
    /// In wire order.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Our name: Kafka's, in snake case.
    pub name: &'static str,
    /// Type without nullability.
    pub ty: Type,
    /// Versions that carry it.
    pub versions: &'static str,
    /// Versions in which it may be null.
    pub nullable: &'static str,
    /// Versions in which it is a tagged field.
    pub tagged: &'static str,
    /// Its tag.
    pub tag: Option<u32>,
    /// Value assumed when a version does not carry it.
    pub default: &'static str,
    /// Whether a value is dropped silently by versions that do not carry it.
    pub ignorable: bool,
}
