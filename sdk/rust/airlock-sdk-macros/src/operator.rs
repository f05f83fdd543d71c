use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, Ident, ItemFn, Lit, LitStr, Meta, Path, Result, ReturnType, Token, Type,
};

/// The longest name that the contract allows.
const NAME_LENGTH: usize = 64;

/// What stands in the attribute's brackets.
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    version: Option<LitStr>,
    summary: Option<LitStr>,
    kind: Option<Ident>,
    template_fields: Vec<TemplateField>,
    resume: Option<Path>,
}

/// An argument that is a template: as an identifier it is checked against the struct, as a string it is taken as it is.
enum TemplateField {
    Field(Ident),
    Name(LitStr),
}

pub fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut options = Options::default();
    syn::meta::parser(|meta| options.read(&meta)).parse2(attribute)?;
    let function: ItemFn = syn::parse2(item)?;
    let arguments = arguments_type(&function)?;

    let describe = describe(&options, &function, arguments)?;
    let execute = execute(&function, arguments)?;
    let resume = options.resume.as_ref().map(|resume| {
        quote_spanned! { resume.span() =>
            fn resume(state: &str, event: ::airlock_sdk::Event) -> ::airlock_sdk::Result<::airlock_sdk::Outcome> {
                ::airlock_sdk::expansion::call_resume(#resume, state, event)
            }
        }
    });
    let documentation = format!("The operator that the function `{}` makes.", function.sig.ident);
    Ok(quote! {
        #function

        #[doc = #documentation]
        pub struct Operator;

        impl ::airlock_sdk::Operator for Operator {
            #describe
            #execute
            #resume
        }

        ::airlock_sdk::__export_operator!(Operator);
    })
}

impl Options {
    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("name") {
            self.name = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("version") {
            self.version = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("summary") {
            self.summary = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("kind") {
            self.kind = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("resume") {
            self.resume = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("template_fields") {
            let content;
            syn::parenthesized!(content in meta.input);
            let fields = Punctuated::<TemplateField, Token![,]>::parse_terminated(&content)?;
            self.template_fields = fields.into_iter().collect();
        } else {
            return Err(
                meta.error("unknown; known are `name`, `version`, `summary`, `kind`, `template_fields`, `resume`")
            );
        }
        Ok(())
    }
}

impl syn::parse::Parse for TemplateField {
    fn parse(input: syn::parse::ParseStream<'_>) -> Result<Self> {
        if input.peek(LitStr) { input.parse().map(Self::Name) } else { input.parse().map(Self::Field) }
    }
}

/// The type of the function's only argument, if it has one.
fn arguments_type(function: &ItemFn) -> Result<Option<&Type>> {
    let signature = &function.sig;
    if let Some(asyncness) = &signature.asyncness {
        return Err(Error::new_spanned(
            asyncness,
            "an operator's function is not `async`: the contract's calls are plain ones",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(&signature.generics, "an operator's function has no type parameters"));
    }
    let mut inputs = signature.inputs.iter();
    let first = match inputs.next() {
        None => None,
        Some(FnArg::Typed(argument)) => Some(&*argument.ty),
        Some(other) => return Err(Error::new_spanned(other, "an operator is a plain function, without `self`")),
    };
    match inputs.next() {
        None => Ok(first),
        Some(extra) => Err(Error::new_spanned(
            extra,
            "an operator's function takes one argument, a struct of all of them; the context is `airlock_sdk::context()`",
        )),
    }
}

fn describe(options: &Options, function: &ItemFn, arguments: Option<&Type>) -> Result<TokenStream> {
    let name = options.name.as_ref().ok_or_else(|| {
        Error::new(Span::call_site(), "an operator needs a name, such as `#[operator(name = \"send-mail\")]`")
    })?;
    check_name(name)?;
    let version = match &options.version {
        Some(version) => quote!(#version),
        None => quote!(::std::env!("CARGO_PKG_VERSION")),
    };
    let (first_paragraph, rest) = doc_comment(&function.attrs);
    let summary = match &options.summary {
        Some(summary) => summary.value(),
        None => first_paragraph,
    };
    if summary.is_empty() {
        return Err(Error::new_spanned(
            &function.sig.ident,
            "an operator needs a doc comment: its first paragraph is the summary in the catalogue",
        ));
    }
    let documentation = match rest.is_empty() {
        true => quote!(::std::option::Option::None),
        false => quote!(::std::option::Option::Some(#rest.into())),
    };
    let kind = kind(options.kind.as_ref())?;
    let schema = match arguments {
        Some(arguments) => quote_spanned! { arguments.span() =>
            ::airlock_sdk::expansion::arguments_schema::<#arguments>()
        },
        None => quote!(::airlock_sdk::expansion::arguments_schema::<::airlock_sdk::expansion::NoArguments>()),
    };
    let (fields, check) = template_fields(&options.template_fields, arguments)?;
    Ok(quote! {
        fn describe() -> ::airlock_sdk::Description {
            #check
            ::airlock_sdk::Description {
                name: #name.into(),
                version: #version.into(),
                summary: #summary.into(),
                documentation: #documentation,
                kind: ::airlock_sdk::Kind::#kind,
                arguments_schema: #schema,
                template_fields: ::std::vec![#(#fields.into()),*],
            }
        }
    })
}

fn execute(function: &ItemFn, arguments: Option<&Type>) -> Result<TokenStream> {
    let ReturnType::Type(_, result) = &function.sig.output else {
        return Err(Error::new_spanned(
            &function.sig,
            "an operator's function returns a `Result`; `Result<()>` if it has no value",
        ));
    };
    let name = &function.sig.ident;
    let call = match arguments {
        Some(_) => quote!(#name),
        None => quote!(|_: ::airlock_sdk::expansion::NoArguments| #name()),
    };
    // With the span of the return type: that is what does not fit when this call does not compile.
    let body = quote_spanned!(result.span() => ::airlock_sdk::expansion::call(#call, arguments));
    Ok(quote! {
        fn execute(arguments: &str) -> ::airlock_sdk::Result<::airlock_sdk::Outcome> {
            #body
        }
    })
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
    let rest_well = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if starts_well && rest_well && text.len() <= NAME_LENGTH {
        Ok(())
    } else {
        Err(Error::new_spanned(name, "an operator's name is 1 to 64 of `a-z 0-9 -`, starting with a letter"))
    }
}

/// The variant of `airlock_sdk::Kind`.
fn kind(kind: Option<&Ident>) -> Result<Ident> {
    let Some(kind) = kind else { return Ok(format_ident!("Action")) };
    let variant = match kind.to_string().as_str() {
        "action" => "Action",
        "sensor" => "Sensor",
        "branch" => "Branch",
        "short_circuit" => "ShortCircuit",
        _ => return Err(Error::new_spanned(kind, "the kinds are `action`, `sensor`, `branch` and `short_circuit`")),
    };
    Ok(Ident::new(variant, kind.span()))
}

/// The names, and a function that compiles only if the arguments have these fields.
fn template_fields(fields: &[TemplateField], arguments: Option<&Type>) -> Result<(Vec<LitStr>, Option<TokenStream>)> {
    let names = fields.iter().map(|field| match field {
        TemplateField::Field(field) => LitStr::new(field.to_string().trim_start_matches("r#"), field.span()),
        TemplateField::Name(name) => name.clone(),
    });
    let names = names.collect();
    let checked: Vec<_> = fields
        .iter()
        .filter_map(|field| match field {
            TemplateField::Field(field) => Some(field),
            TemplateField::Name(_) => None,
        })
        .collect();
    match (arguments, checked.first()) {
        (None, Some(field)) => Err(Error::new_spanned(field, "this operator has no arguments, so none is a template")),
        (Some(arguments), Some(_)) => {
            let check = quote! {
                let _ = |arguments: #arguments| { #(let _ = &arguments.#checked;)* };
            };
            Ok((names, Some(check)))
        }
        (_, None) => Ok((names, None)),
    }
}

/// The first paragraph of a doc comment on one line, and what follows it.
fn doc_comment(attributes: &[Attribute]) -> (String, String) {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    let end = lines.iter().position(String::is_empty).unwrap_or(lines.len());
    let (first, rest) = lines.split_at(end);
    (first.join(" "), rest.join("\n").trim().to_owned())
}
