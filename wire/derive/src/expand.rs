//! From a declaration to code. Every function here writes one item or one expression of it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, LitStr, Result, Type};

use crate::declaration::{FieldFacts, Kind, MessageFacts, field_facts, message_facts};
use crate::versions::Versions;

/// A structure inside a message.
pub fn structure(input: &DeriveInput) -> Result<TokenStream> {
    let fields = field_facts(input)?;
    let name = &input.ident;
    let (default, value) = (default_impl(input, &fields)?, value_impl(input, &fields)?);
    Ok(quote! {
        #default
        #value
        impl crate::codec::Nullable for #name {
            #[inline]
            fn read_nullable(
                reader: &mut crate::codec::Reader<'_>,
                version: crate::codec::Version,
            ) -> Result<Option<Self>, crate::codec::DecodeError> {
                reader.nullable_struct(version)
            }
            #[inline]
            fn write_nullable(
                value: Option<&Self>,
                writer: &mut crate::codec::Writer,
                version: crate::codec::Version,
            ) -> Result<(), crate::codec::EncodeError> {
                writer.nullable_struct(value, version)
            }
        }
    })
}

/// A whole message.
pub fn message(input: &DeriveInput) -> Result<TokenStream> {
    let (facts, fields) = (message_facts(input)?, field_facts(input)?);
    let name = &input.ident;
    let text = name.to_string();
    let (default, value) = (default_impl(input, &fields)?, value_impl(input, &fields)?);
    let (first, last) = (facts.versions.first, facts.versions.last.unwrap_or(i16::MAX));
    let flexible = match facts.flexible {
        Some(Versions { first, .. }) => quote!(Some(#first)),
        None => quote!(None),
    };
    let role = role_impl(input, &facts)?;
    Ok(quote! {
        #default
        #value
        impl crate::codec::Message for #name {
            const NAME: &'static str = #text;
            const VERSIONS: crate::VersionRange = crate::VersionRange { min: #first, max: #last };
            const FIRST_FLEXIBLE: Option<i16> = #flexible;
        }
        #role
    })
}

/// What only requests and responses have, with a compile-time check against the table of API keys.
fn role_impl(input: &DeriveInput, facts: &MessageFacts) -> Result<TokenStream> {
    let name = &input.ident;
    let text = name.to_string();
    let (key, suffix) = match &facts.kind {
        Kind::Request { key, .. } => (key, "Request"),
        Kind::Response { key } => (key, "Response"),
        Kind::Data => return Ok(TokenStream::new()),
    };
    let api = text
        .strip_suffix(suffix)
        .ok_or_else(|| Error::new_spanned(name, format!("the name of a {suffix} ends in {suffix}")))?;
    let api = format_ident!("{api}");
    let agrees = quote! {
        const _: () = assert!(
            crate::ApiKey::#api.agrees_with::<#name>(#key),
            "key, versions and first flexible version must be those of the table in api_key.rs"
        );
    };
    let Kind::Request { response, .. } = &facts.kind else { return Ok(agrees) };
    Ok(quote! {
        #agrees
        impl crate::codec::Request for #name {
            const KEY: crate::ApiKey = crate::ApiKey::#api;
            type Response = #response;
        }
    })
}

fn default_impl(input: &DeriveInput, fields: &[FieldFacts]) -> Result<TokenStream> {
    let name = &input.ident;
    let idents = fields.iter().map(|field| &field.ident);
    let defaults = fields.iter().map(default_value).collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        impl Default for #name {
            fn default() -> Self {
                Self { #(#idents: #defaults),* }
            }
        }
    })
}

fn value_impl(input: &DeriveInput, fields: &[FieldFacts]) -> Result<TokenStream> {
    let name = &input.ident;
    let (schema, read, write, random) =
        (schema(input, fields), read_body(fields)?, write_body(input, fields)?, random_body(fields)?);
    Ok(quote! {
        impl crate::codec::Value for #name {
            const TYPE: crate::schema::Type = #schema;

            #[inline]
            fn read(
                reader: &mut crate::codec::Reader<'_>,
                version: crate::codec::Version,
            ) -> Result<Self, crate::codec::DecodeError> {
                #read
            }

            #[inline]
            fn write(
                &self,
                writer: &mut crate::codec::Writer,
                version: crate::codec::Version,
            ) -> Result<(), crate::codec::EncodeError> {
                #write
            }

            #[cfg(any(test, feature = "random"))]
            fn random(random: &mut crate::random::Random, version: crate::codec::Version) -> Self {
                #random
            }
        }
    })
}

fn schema(input: &DeriveInput, fields: &[FieldFacts]) -> TokenStream {
    let name = input.ident.to_string();
    let fields = fields.iter().map(|field| {
        let (name, ty, ignorable) = (field.name(), &field.inner, field.ignorable);
        let (versions, nullable, tagged) = (&field.versions_text, &field.nullable_text, &field.tagged_text);
        let tag = match field.tagged {
            Some((tag, _)) => quote!(Some(#tag)),
            None => quote!(None),
        };
        let default = field.default.as_ref().map_or_else(String::new, LitStr::value);
        quote! {
            crate::schema::Field {
                name: #name,
                ty: <#ty as crate::codec::Value>::TYPE,
                versions: #versions,
                nullable: #nullable,
                tagged: #tagged,
                tag: #tag,
                default: #default,
                ignorable: #ignorable,
            }
        }
    });
    quote!(crate::schema::Type::Struct(&crate::schema::Struct { name: #name, fields: &[#(#fields),*] }))
}

fn read_body(fields: &[FieldFacts]) -> Result<TokenStream> {
    let mut body = vec![numbered(fields, quote!(version))];
    for field in fields {
        let (ident, default) = (&field.ident, default_value(field)?);
        if field.tagged.is_some() {
            let ty = declared_type(field);
            body.push(quote!(let mut #ident: #ty = #default;));
            continue;
        }
        let read = read_value(field);
        body.push(match field.versions.test() {
            None => quote!(let #ident = #read;),
            Some(test) => quote!(let #ident = if #test { #read } else { #default };),
        });
    }
    let known = fields.iter().filter_map(|field| {
        let (tag, versions) = field.tagged?;
        let (ident, read) = (&field.ident, read_value(field));
        let guard = versions.test().map(|test| quote!(if #test));
        Some(quote!(#tag #guard => #ident = #read,))
    });
    let known: Vec<_> = known.collect();
    let tags = if known.is_empty() {
        quote!(reader.skip_tagged_fields()?;)
    } else {
        quote! {
            reader.tagged_fields(|reader, tag| {
                match tag {
                    #(#known)*
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
    };
    let idents = fields.iter().map(|field| &field.ident);
    Ok(quote! {
        #(#body)*
        if version.flexible {
            #tags
        }
        Ok(Self { #(#idents),* })
    })
}

fn write_body(input: &DeriveInput, fields: &[FieldFacts]) -> Result<TokenStream> {
    let owner = input.ident.to_string();
    let mut body = vec![numbered(fields, quote!(version))];
    for field in fields {
        let absent = absent_check(&owner, field)?;
        let write = if field.tagged.is_some() { TokenStream::new() } else { write_value(&owner, field) };
        body.push(match field.versions.test() {
            None => write,
            Some(test) if absent.is_empty() => quote!(if #test { #write }),
            Some(test) => quote!(if #test { #write } else #absent),
        });
    }
    let mut tagged: Vec<_> = fields.iter().filter(|field| field.tagged.is_some()).collect();
    tagged.sort_by_key(|field| field.tagged.map(|(tag, _)| tag));
    let tags = tagged.iter().map(|field| tagged_write(&owner, field)).collect::<Result<Vec<_>>>()?;
    let tags = if tags.is_empty() {
        quote!(writer.no_tagged_fields();)
    } else {
        let present = tagged.iter().map(|field| present_test(field)).collect::<Result<Vec<_>>>()?;
        quote! {
            writer.tagged_field_count(0 #(+ u32::from(#present))*);
            #(#tags)*
        }
    };
    Ok(quote! {
        #(#body)*
        if version.flexible {
            #tags
        }
        Ok(())
    })
}

fn random_body(fields: &[FieldFacts]) -> Result<TokenStream> {
    let mut body = vec![numbered(fields, quote!(version))];
    for field in fields {
        let (ident, inner, default) = (&field.ident, &field.inner, default_value(field)?);
        let value = quote!(<#inner as crate::codec::Value>::random(random, version));
        let value = match (field.optional, field.nullable.map(Versions::test)) {
            (false, _) => value,
            (true, None) => quote!(Some(#value)),
            (true, Some(None)) => quote!(if random.null() { None } else { Some(#value) }),
            (true, Some(Some(test))) => quote!(if #test && random.null() { None } else { Some(#value) }),
        };
        let value =
            if field.tagged.is_some() { quote!(if random.tag_default() { #default } else { #value }) } else { value };
        body.push(match field.versions.test() {
            None => quote!(let #ident = #value;),
            Some(test) => quote!(let #ident = if #test { #value } else { #default };),
        });
    }
    let idents = fields.iter().map(|field| &field.ident);
    Ok(quote! {
        let _ = (&random, version);
        #(#body)*
        Self { #(#idents),* }
    })
}

/// `let number = version.number;`, only where some field's presence depends on it.
fn numbered(fields: &[FieldFacts], version: TokenStream) -> TokenStream {
    let depends = |field: &FieldFacts| {
        field.versions.test().is_some()
            || (field.optional && field.nullable.is_some_and(|versions| versions.test().is_some()))
    };
    if fields.iter().any(depends) { quote!(let number = #version.number;) } else { TokenStream::new() }
}

fn declared_type(field: &FieldFacts) -> TokenStream {
    let inner = &field.inner;
    if field.optional { quote!(Option<#inner>) } else { quote!(#inner) }
}

fn read_value(field: &FieldFacts) -> TokenStream {
    let inner = &field.inner;
    let plain = quote!(<#inner as crate::codec::Value>::read(reader, version)?);
    let nullable = quote!(<#inner as crate::codec::Nullable>::read_nullable(reader, version)?);
    match (field.optional, field.nullable.map(Versions::test)) {
        (false, _) => plain,
        (true, None) => quote!(Some(#plain)),
        (true, Some(None)) => nullable,
        (true, Some(Some(test))) => quote!(if #test { #nullable } else { Some(#plain) }),
    }
}

fn write_value(owner: &str, field: &FieldFacts) -> TokenStream {
    let (ident, inner, name) = (&field.ident, &field.inner, field.name());
    let plain = quote!(<#inner as crate::codec::Value>::write(&self.#ident, writer, version)?;);
    let nullable = quote!(<#inner as crate::codec::Nullable>::write_nullable(self.#ident.as_ref(), writer, version)?;);
    let required = quote! {
        match &self.#ident {
            Some(value) => <#inner as crate::codec::Value>::write(value, writer, version)?,
            None => return Err(crate::codec::EncodeError::null(#owner, #name, version)),
        }
    };
    match (field.optional, field.nullable.map(Versions::test)) {
        (false, _) => plain,
        (true, None) => required,
        (true, Some(None)) => nullable,
        (true, Some(Some(test))) => quote!(if #test { #nullable } else { #required }),
    }
}

/// The `else` branch for versions that do not carry the field: a value that may not be dropped is an error.
fn absent_check(owner: &str, field: &FieldFacts) -> Result<TokenStream> {
    if field.ignorable {
        return Ok(TokenStream::new());
    }
    let (differs, name) = (differs_from_default(field)?, field.name());
    Ok(quote! {
        if #differs {
            return Err(crate::codec::EncodeError::absent(#owner, #name, version));
        }
    })
}

fn tagged_write(owner: &str, field: &FieldFacts) -> Result<TokenStream> {
    let (present, write) = (present_test(field)?, write_value(owner, field));
    let tag = field.tagged.map(|(tag, _)| tag);
    Ok(quote! {
        if #present {
            let start = writer.begin_tagged_field(#tag);
            #write
            writer.end_tagged_field(start);
        }
    })
}

fn present_test(field: &FieldFacts) -> Result<TokenStream> {
    let differs = differs_from_default(field)?;
    Ok(match field.versions.test() {
        None => quote!((#differs)),
        Some(test) => quote!((#test && #differs)),
    })
}

fn differs_from_default(field: &FieldFacts) -> Result<TokenStream> {
    let (ident, default) = (&field.ident, default_value(field)?);
    Ok(match (field.optional, type_name(&field.inner).as_str()) {
        (false, "bool") if is_true(field) => quote!(!self.#ident),
        (false, "bool") => quote!(self.#ident),
        (false, "Vec" | "Str" | "Bytes") if field.default.is_none() => quote!(!self.#ident.is_empty()),
        (true, _) if is_null(field) => quote!(self.#ident.is_some()),
        _ => quote!(self.#ident != #default),
    })
}

/// The schema's default as an expression of the field's declared type.
fn default_value(field: &FieldFacts) -> Result<TokenStream> {
    let inner = &field.inner;
    let Some(text) = &field.default else {
        let value = quote!(<#inner as Default>::default());
        return Ok(if field.optional { quote!(Some(#value)) } else { value });
    };
    let wrong = || Error::new(text.span(), "not a default for this type");
    if is_null(field) {
        return if field.optional { Ok(quote!(None)) } else { Err(wrong()) };
    }
    let written = text.value();
    let value = match type_name(inner).as_str() {
        "bool" => written.parse::<bool>().map(|value| quote!(#value)).map_err(|_| wrong())?,
        "Str" => quote!(crate::Str::from_static(#written)),
        "i8" | "i16" | "u16" | "i32" | "i64" | "f64" => {
            let value: TokenStream = written.parse().map_err(|_| wrong())?;
            quote!((#value))
        }
        _ => return Err(wrong()),
    };
    Ok(if field.optional { quote!(Some(#value)) } else { value })
}

fn is_null(field: &FieldFacts) -> bool {
    field.default.as_ref().is_some_and(|text| text.value() == "null")
}

fn is_true(field: &FieldFacts) -> bool {
    field.default.as_ref().is_some_and(|text| text.value() == "true")
}

fn type_name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path.path.segments.last().map_or_else(String::new, |segment| segment.ident.to_string()),
        _ => String::new(),
    }
}
