use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Result};

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(attribute, "`#[arguments]` takes nothing"));
    }
    let input: DeriveInput = syn::parse2(item)?;
    let strict = match input.data {
        Data::Struct(_) => Some(quote!(#[serde(deny_unknown_fields)])),
        _ => None,
    };
    let item = input.into_token_stream();
    Ok(quote! {
        #[derive(::airlock_sdk::serde::Deserialize, ::airlock_sdk::schemars::JsonSchema)]
        #[serde(crate = "::airlock_sdk::serde")]
        #[schemars(crate = "::airlock_sdk::schemars")]
        #strict
        #item
    })
}
