//! Version ranges as Kafka's schemas spell them: `"3"`, `"0-12"`, `"9+"`, `"none"`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{LitStr, Result};

/// An inclusive range; `last` is `None` for "and all later ones".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    pub first: i16,
    pub last: Option<i16>,
}

impl Versions {
    /// Parses the schema's spelling; `none` is `Ok(None)`.
    pub fn parse(text: &LitStr) -> Result<Option<Versions>> {
        parse(&text.value()).ok_or_else(|| {
            syn::Error::new(text.span(), "expected versions such as \"3\", \"0-12\", \"9+\" or \"none\"")
        })
    }

    /// An expression that tells whether `number`, an `i16`, lies inside. `None` when it always does.
    pub fn test(self) -> Option<TokenStream> {
        let first = self.first;
        match (first, self.last) {
            (0, None) => None,
            (_, None) => Some(quote!(number >= #first)),
            (0, Some(last)) => Some(quote!(number <= #last)),
            (_, Some(last)) => Some(quote!((#first..=#last).contains(&number))),
        }
    }
}

fn parse(text: &str) -> Option<Option<Versions>> {
    if text == "none" {
        return Some(None);
    }
    let versions = if let Some(first) = text.strip_suffix('+') {
        Versions { first: first.parse().ok()?, last: None }
    } else if let Some((first, last)) = text.split_once('-') {
        Versions { first: first.parse().ok()?, last: Some(last.parse().ok()?) }
    } else {
        let only = text.parse().ok()?;
        Versions { first: only, last: Some(only) }
    };
    (versions.first >= 0 && versions.last.is_none_or(|last| last >= versions.first)).then_some(Some(versions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Option<(i16, Option<i16>)>>) {
        let found = parse(text).map(|versions| versions.map(|v| (v.first, v.last)));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_spelling_of_the_schemas() {
        check("none", Some(None));
        check("3", Some(Some((3, Some(3)))));
        check("9+", Some(Some((9, None))));
        check("0-12", Some(Some((0, Some(12)))));
        for wrong in ["", "+", "x", "3-", "4-3", "-1", "1 - 2"] {
            check(wrong, None);
        }
    }
}
