//! The derive macros behind wire's message declarations: `Message` for a whole request, response or embedded message,
//! `Struct` for a structure inside one.
//!
//! A declaration carries the same facts as Kafka's JSON schema, as attributes. What comes out is plain straight-line
//! code: the codec (`Value`), the schema's default values (`Default`), a description to compare with Kafka's own files
//! (`Value::TYPE`), and under the feature `random` a generator of values for tests.
//!
//! ```text
//! #[derive(Message, Debug, Clone, PartialEq)]
//! #[message(request, key = 0, versions = "0-11", flexible = "9+", response = ProduceResponse)]
//! pub struct ProduceRequest {
//!     #[field(versions = "3+", nullable = "3+", default = "null")]
//!     pub transactional_id: Option<Str>,
//! }
//! ```
//!
//! Invariant: the order of the fields is the order on the wire; tagged fields go last, in ascending order of their tags.

mod declaration;
mod expand;
mod versions;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives codec, defaults and schema of a top-level message.
#[proc_macro_derive(Message, attributes(message, field))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::message(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Derives codec, defaults and schema of a structure inside a message.
#[proc_macro_derive(Struct, attributes(field))]
pub fn derive_struct(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::structure(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
