//! The attributes of `airlock-sdk`, which documents and re-exports them.

mod arguments;
mod operator;

use proc_macro::TokenStream;

/// Makes an operator of a function that takes its arguments and returns a `Result`.
///
/// The arguments are one type that implements `serde::Deserialize` and `schemars::JsonSchema`, usually a struct with
/// [`macro@arguments`]; their JSON Schema becomes the operator's. A function without arguments makes an operator without.
/// The value may be an `Outcome`, or anything serialisable, which means success and becomes the XCom `return_value`. The
/// error may be `airlock_sdk::Error` or any type that converts into it.
///
/// - `name = "..."`: in DAG documents; 1 to 64 of `a-z 0-9 -`, starting with a letter. Required.
/// - `version = "..."`: a semantic version; by default that of the package.
/// - `summary = "..."`: for the catalogue; by default the first paragraph of the function's doc comment. What follows that
///   paragraph is the documentation.
/// - `kind = action | sensor | branch | short_circuit`; by default `action`.
/// - `template_fields(field, other)`: arguments whose strings are rendered as templates before each try. A field that the
///   arguments do not have is an error. One that serde renames is given as a string, and not checked.
/// - `resume = function`: called after `Outcome::Defer` with the state and an `Event`.
///
/// Beside the function, the attribute defines the type `Operator`, with which tests run the operator as the host would. A
/// component is one operator, so a crate uses this attribute once.
///
/// # What does not compile
///
/// A template field that the arguments do not have:
///
/// ```compile_fail,E0609
/// use airlock_sdk::prelude::*;
/// #[arguments]
/// struct Greeting { name: String }
/// /// Greets.
/// #[operator(name = "greet", template_fields(nmae))]
/// fn greet(greeting: Greeting) -> Result<()> { Ok(()) }
/// # fn main() {}
/// ```
///
/// Arguments without a schema:
///
/// ```compile_fail,E0277
/// use airlock_sdk::prelude::*;
/// struct Greeting { name: String }
/// /// Greets.
/// #[operator(name = "greet")]
/// fn greet(greeting: Greeting) -> Result<()> { Ok(()) }
/// # fn main() {}
/// ```
///
/// A name that the contract does not allow, and a function that nobody described:
///
/// ```compile_fail
/// use airlock_sdk::prelude::*;
/// /// Greets.
/// #[operator(name = "Greet")]
/// fn greet() -> Result<()> { Ok(()) }
/// # fn main() {}
/// ```
///
/// ```compile_fail
/// use airlock_sdk::prelude::*;
/// #[operator(name = "greet")]
/// fn greet() -> Result<()> { Ok(()) }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn operator(attribute: TokenStream, item: TokenStream) -> TokenStream {
    operator::expand(attribute.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct or enum readable as an operator's arguments, with a JSON Schema.
///
/// It stands for `#[derive(Deserialize, JsonSchema)]` by way of the SDK, so that a crate needs neither `serde` nor `schemars`
/// as a dependency. On a struct it also adds `#[serde(deny_unknown_fields)]`: a misspelt argument is then an error when the
/// DAG is sent. `#[serde(..)]` and `#[schemars(..)]` work as usual; doc comments become descriptions in the schema.
#[proc_macro_attribute]
pub fn arguments(attribute: TokenStream, item: TokenStream) -> TokenStream {
    arguments::expand(attribute.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
