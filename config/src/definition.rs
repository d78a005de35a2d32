//! What a row of the tables says about a key. Mirrors Kafka's `ConfigDef.ConfigKey`.

use std::fmt;

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Kafka's name.
    pub name: &'static str,
    /// How its text is read.
    pub kind: Kind,
    /// The default as text; `None` is Kafka's `null`.
    pub default: Option<&'static str>,
    /// Which values are allowed.
    pub valid: Valid,
    /// Whether, and where, it may be changed while the broker runs.
    pub scope: Scope,
    /// Kafka's judgement, for the reference page.
    pub importance: Importance,
    /// Where the key has an effect.
    pub applies: Applies,
    /// Hidden from listings unless it is set (Kafka's `defineInternal`).
    pub internal: bool,
    /// One line.
    pub doc: &'static str,
}

impl Key {
    /// Never shown to clients, never logged.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }
}

/// Type of a value, in Kafka's sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false` in any case.
    Bool,
    /// Text without its outer blanks.
    Text,
    /// 32 bits, signed.
    Int,
    /// 16 bits, signed.
    Short,
    /// 64 bits, signed.
    Long,
    /// IEEE double.
    Double,
    /// Texts separated by commas.
    List,
    /// Name of a Java class.
    Class,
    /// Text that is never shown.
    Password,
}

impl Kind {
    /// Kafka's number for the type in DescribeConfigs (`DescribeConfigsResponse.ConfigType`).
    pub fn config_type(self) -> i8 {
        match self {
            Kind::Bool => 1,
            Kind::Text => 2,
            Kind::Int => 3,
            Kind::Short => 4,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
            Kind::Class => 8,
            Kind::Password => 9,
        }
    }
}

impl fmt::Display for Kind {
    /// As `ConfigDef.Type` prints, which is what error messages show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bool => "BOOLEAN",
            Kind::Text => "STRING",
            Kind::Int => "INT",
            Kind::Short => "SHORT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
            Kind::Class => "CLASS",
            Kind::Password => "PASSWORD",
        })
    }
}

/// Which values are allowed, beyond the type.
#[derive(Debug, Clone, Copy)]
pub enum Valid {
    /// All.
    Any,
    /// Numbers from here on.
    AtLeast(i64),
    /// Numbers between, both included.
    Between(i64, i64),
    /// Doubles from 0 to this.
    Share(f64),
    /// -1, or numbers from here on.
    MinusOneOrAtLeast(i64),
    /// -1, or numbers between, both included.
    MinusOneOrBetween(i64, i64),
    /// One of these; of a list, every element.
    OneOf(&'static [&'static str]),
    /// One of these in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// Not the empty text.
    NonEmpty,
    /// A version name (`MetadataVersion`).
    Version,
    /// `*` or `partition:broker` pairs.
    ThrottledReplicas,
}

impl fmt::Display for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Valid::Any => Ok(()),
            Valid::AtLeast(min) => write!(f, "[{min},...]"),
            Valid::Between(min, max) => write!(f, "[{min},...,{max}]"),
            Valid::Share(max) => write!(f, "[0,...,{max}]"),
            Valid::MinusOneOrAtLeast(min) => write!(f, "[{min},...] or -1"),
            Valid::MinusOneOrBetween(min, max) => write!(f, "[{min},...,{max}] or -1"),
            Valid::OneOf(names) => write!(f, "[{}]", names.join(", ")),
            Valid::OneOfAnyCase(names) => write!(f, "(case insensitive) [{}]", names.join(", ")),
            Valid::NonEmpty => f.write_str("non-empty string"),
            Valid::Version => f.write_str("a release such as 3.9 or 2.4-IV1"),
            Valid::ThrottledReplicas => f.write_str("[partitionId]:[brokerId],[partitionId]:[brokerId],..."),
        }
    }
}

/// Whether, and where, a key may be changed while the broker runs (`DynamicBrokerConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Needs a restart.
    ReadOnly,
    /// For one broker, or for all as the cluster's default.
    ClusterWide,
    /// For one broker only.
    PerBroker,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::ReadOnly => "read-only",
            Scope::ClusterWide => "cluster-wide",
            Scope::PerBroker => "per-broker",
        })
    }
}

/// How much a key matters, by Kafka's own judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Most brokers set it.
    High,
    /// Some brokers set it.
    Medium,
    /// Few brokers set it.
    Low,
}

impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Importance::High => "high",
            Importance::Medium => "medium",
            Importance::Low => "low",
        })
    }
}

/// Where a key has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// In every broker.
    Everywhere,
    /// Only in KRaft mode or with the new group coordinator: accepted and without effect, as in Kafka.
    Kraft,
    /// Only while a cluster migrates to KRaft.
    Migration,
    /// Only with tiered storage.
    Tiered,
}
