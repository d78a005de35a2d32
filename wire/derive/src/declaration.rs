//! What a declaration says, read from its attributes. Wrong or missing facts are compile errors at the place of the fact.

use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Ident, LitInt, LitStr, Path, Result, Type};

use crate::versions::Versions;

/// What `#[message(...)]` says about a whole message.
pub struct MessageFacts {
    pub kind: Kind,
    pub versions: Versions,
    pub flexible: Option<Versions>,
}

/// What role a message plays.
pub enum Kind {
    Request {
        key: LitInt,
        response: Path,
    },
    Response {
        key: LitInt,
    },
    /// Embedded in another message's byte field; no header, no key.
    Data,
}

/// One field of a structure.
pub struct FieldFacts {
    pub ident: Ident,
    /// The type without its `Option`.
    pub inner: Type,
    /// Whether the Rust type is an `Option`.
    pub optional: bool,
    pub versions: Versions,
    pub versions_text: String,
    pub nullable: Option<Versions>,
    pub nullable_text: String,
    pub tagged: Option<(u32, Versions)>,
    pub tagged_text: String,
    pub default: Option<LitStr>,
    pub ignorable: bool,
}

impl FieldFacts {
    /// The name without `r#`.
    pub fn name(&self) -> String {
        let name = self.ident.to_string();
        name.strip_prefix("r#").unwrap_or(&name).to_owned()
    }
}

/// Reads `#[message(...)]`.
pub fn message_facts(input: &DeriveInput) -> Result<MessageFacts> {
    let attribute = find(&input.attrs, "message")
        .ok_or_else(|| Error::new_spanned(&input.ident, "a message needs #[message(...)]"))?;
    let (mut role, mut key, mut response, mut versions, mut flexible) = (None, None, None, None, None);
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("key") {
            key = Some(meta.value()?.parse::<LitInt>()?);
        } else if meta.path.is_ident("versions") {
            versions = Versions::parse(&meta.value()?.parse()?)?;
        } else if meta.path.is_ident("flexible") {
            flexible = Some(Versions::parse(&meta.value()?.parse()?)?);
        } else if meta.path.is_ident("response") && meta.input.peek(syn::Token![=]) {
            response = Some(meta.value()?.parse::<Path>()?);
        } else if ["request", "response", "data"].iter().any(|word| meta.path.is_ident(word)) {
            role = meta.path.get_ident().map(Ident::to_string);
        } else {
            return Err(meta.error("not a fact about a message"));
        }
        Ok(())
    })?;
    let kind = match (role.as_deref(), key, response) {
        (Some("request"), Some(key), Some(response)) => Kind::Request { key, response },
        (Some("response"), Some(key), None) => Kind::Response { key },
        (Some("data"), None, None) => Kind::Data,
        _ => {
            let message = "expected request with key and response = Type, response with key, or data";
            return Err(Error::new_spanned(attribute, message));
        }
    };
    let missing = || Error::new_spanned(attribute, "versions and flexible are needed");
    Ok(MessageFacts { kind, versions: versions.ok_or_else(missing)?, flexible: flexible.ok_or_else(missing)? })
}

/// Reads the fields of a structure and checks them against each other.
pub fn field_facts(input: &DeriveInput) -> Result<Vec<FieldFacts>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "only structs are messages"));
    };
    match &data.fields {
        Fields::Named(fields) => fields.named.iter().map(field).collect(),
        Fields::Unit => Ok(Vec::new()),
        Fields::Unnamed(fields) => Err(Error::new_spanned(fields, "a message's fields have names")),
    }
}

fn field(field: &Field) -> Result<FieldFacts> {
    let attribute =
        find(&field.attrs, "field").ok_or_else(|| Error::new_spanned(field, "a field needs #[field(...)]"))?;
    let ident = field.ident.clone().ok_or_else(|| Error::new_spanned(field, "a field needs a name"))?;
    let (inner, optional) = without_option(&field.ty);
    let mut texts: [Option<LitStr>; 3] = [None, None, None];
    let (mut tag, mut default, mut ignorable) = (None, None, false);
    attribute.parse_nested_meta(|meta| {
        if let Some(at) = ["versions", "nullable", "tagged"].iter().position(|word| meta.path.is_ident(word)) {
            texts[at] = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("tag") {
            tag = Some(meta.value()?.parse::<LitInt>()?.base10_parse::<u32>()?);
        } else if meta.path.is_ident("default") {
            default = Some(meta.value()?.parse::<LitStr>()?);
        } else if meta.path.is_ident("ignorable") {
            ignorable = true;
        } else {
            return Err(meta.error("not a fact about a field"));
        }
        Ok(())
    })?;
    let parsed = |at: usize| texts[at].as_ref().map(Versions::parse).transpose().map(Option::flatten);
    let text = |at: usize| texts[at].as_ref().map_or_else(|| "none".to_owned(), LitStr::value);
    let tagged = match (tag, parsed(2)?) {
        (Some(tag), Some(versions)) => Some((tag, versions)),
        (None, None) => None,
        _ => return Err(Error::new_spanned(attribute, "tag and tagged belong together")),
    };
    let versions = parsed(0)?.ok_or_else(|| Error::new_spanned(attribute, "versions are needed"))?;
    if tagged.is_some_and(|(_, tagged)| tagged != versions) {
        return Err(Error::new_spanned(attribute, "a field that is tagged in some versions only is not supported"));
    }
    if optional && texts[1].is_none() {
        return Err(Error::new_spanned(attribute, "an Option is nullable in some versions: say which"));
    }
    Ok(FieldFacts {
        ident,
        inner,
        optional,
        versions,
        versions_text: text(0),
        nullable: parsed(1)?,
        nullable_text: text(1),
        tagged,
        tagged_text: text(2),
        default,
        ignorable,
    })
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.path().is_ident(name))
}

/// `Option<T>` → (`T`, true); anything else as it is.
fn without_option(ty: &Type) -> (Type, bool) {
    if let Type::Path(path) = ty
        && let Some(segment) = path.path.segments.last()
        && segment.ident == "Option"
        && let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
        && let Some(syn::GenericArgument::Type(inner)) = arguments.args.first()
    {
        return (inner.clone(), true);
    }
    (ty.clone(), false)
}
