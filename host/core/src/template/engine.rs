//! One template: compiled, its operators exchanged, run.
//!
//! minijinja's operators cannot be taught about objects, and its list literals cannot be bounded, from outside. Its compiled
//! form can be changed, though: an operator is one instruction, which takes its operands off the stack, and so is a
//! function call. Each operator is exchanged in place for a call of the function of its name. That needs the crate's
//! `unstable_machinery`, which no version number protects: an update that moves it fails to compile here and nowhere else.

use minijinja::machinery::{CompiledTemplate, Instruction, Instructions, TemplateConfig, eval, make_string_output};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};
use std::sync::Arc;

use super::bounds::{add_operators, operator};
use super::dates::invalid;
use super::{filters, literal, methods, python};

/// Instructions, and what they create, of one template; see minijinja's `set_fuel`.
const FUEL: u64 = 100_000;

/// The same of all templates of a task together.
const FUEL_OF_ALL: u64 = 2_000_000;

/// Items of one literal. What is longer comes from a param or a variable.
const LONGEST_LITERAL: usize = 10_000;

pub(super) struct Engine {
    environment: Environment<'static>,
    native: bool,
    fuel: u64,
}

/// What a template came to.
pub(super) enum Rendered {
    Text(String),
    /// Only with native types: a template that is one expression gives the expression's value.
    Value(Value),
    /// Only with native types: the text is a Python literal.
    Literal(serde_json::Value),
}

/// In a render's state: what has been printed, so that a single value can be told from a text.
#[derive(Default)]
struct Printed {
    count: usize,
    single: Option<Value>,
}

impl Engine {
    pub fn new(native: bool) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // For the names of what is undefined.
        environment.set_debug(true);
        environment.set_unknown_method_callback(methods::call);
        environment.set_formatter(move |out, state, value| print(out, state, value, native));
        // Shows everything there is, secrets included.
        environment.remove_global("debug");
        add_operators(&mut environment);
        filters::add(&mut environment);
        Self { environment, native, fuel: FUEL_OF_ALL }
    }

    pub fn render(&mut self, source: &str, root: &Value) -> Result<Rendered, Error> {
        self.environment.set_fuel(Some(FUEL.min(self.fuel)));
        let compiled = compile(source)?;
        let mut text = String::new();
        let mut output = make_string_output(&mut text);
        let (instructions, blocks) = (&compiled.instructions, &compiled.blocks);
        let (_, mut state) =
            eval(&self.environment, instructions, root.clone(), blocks, &mut output, AutoEscape::None)?;
        let used = state.fuel_levels().map_or(FUEL, |(used, _)| used);
        let single = state.get_extension_mut::<Printed>().and_then(|printed| printed.single.take());
        drop(state);
        self.fuel = self.fuel.saturating_sub(used);
        Ok(if self.native { to_native(text, single) } else { Rendered::Text(text) })
    }
}

/// The error is one of syntax: nothing has been looked up yet.
pub(super) fn compile(source: &str) -> Result<CompiledTemplate<'_>, Error> {
    let config =
        TemplateConfig { syntax_config: SyntaxConfig::default(), default_auto_escape: Arc::new(|_| AutoEscape::None) };
    let mut compiled = CompiledTemplate::new("template", source, &config)?;
    exchange_operators(&mut compiled.instructions)?;
    compiled.blocks.values_mut().try_for_each(exchange_operators)?;
    Ok(compiled)
}

/// Jinja's native types: a single value stays what it is; a text that is a Python literal becomes its value.
fn to_native(text: String, single: Option<Value>) -> Rendered {
    if let Some(value) = single.filter(|value| value.as_str().is_none() && python::to_str(value) == text) {
        return Rendered::Value(value);
    }
    match literal::evaluate(&text) {
        Some(value) => Rendered::Literal(value),
        None => Rendered::Text(text),
    }
}

/// What Jinja makes of a text without any marks: itself, without a newline at its end.
pub(super) fn plain_text(text: &str, native: bool) -> Rendered {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)).to_owned();
    if native { to_native(text, None) } else { Rendered::Text(text) }
}

fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value, native: bool) -> Result<(), Error> {
    if native {
        let printed = state.get_or_insert_extension_with(Printed::default);
        printed.count += 1;
        printed.single = (printed.count == 1).then(|| value.clone());
    }
    super::bounds::charge(state, value)?;
    python::write_str(out, value).map_err(|_| invalid("the rendered text is too large"))
}

fn exchange_operators(instructions: &mut Instructions<'_>) -> Result<(), Error> {
    let mut index = 0;
    while let Some(instruction) = instructions.get_mut(index) {
        let call = match instruction {
            Instruction::Add => Some((operator::ADD, 2)),
            Instruction::Sub => Some((operator::SUBTRACT, 2)),
            Instruction::Mul => Some((operator::MULTIPLY, 2)),
            Instruction::StringConcat => Some((operator::CONCATENATE, 2)),
            Instruction::Eq => Some((operator::EQUAL, 2)),
            Instruction::Ne => Some((operator::NOT_EQUAL, 2)),
            Instruction::Lt => Some((operator::LESS, 2)),
            Instruction::Lte => Some((operator::LESS_OR_EQUAL, 2)),
            Instruction::Gt => Some((operator::GREATER, 2)),
            Instruction::Gte => Some((operator::GREATER_OR_EQUAL, 2)),
            Instruction::In => Some((operator::IN, 2)),
            Instruction::BuildList(Some(count)) => Some((operator::LIST, *count)),
            Instruction::BuildTuple(Some(count)) => Some((operator::TUPLE, *count)),
            Instruction::BuildMap(pairs) => Some((operator::MAP, pairs.saturating_mul(2))),
            _ => None,
        };
        if let Some((name, arguments)) = call {
            let arguments = u16::try_from(arguments).ok().filter(|count| usize::from(*count) <= 2 * LONGEST_LITERAL);
            let arguments =
                arguments.ok_or_else(|| invalid(format!("a list in a template can have {LONGEST_LITERAL} items")))?;
            *instruction = Instruction::CallFunction(name, Some(arguments));
        }
        index += 1;
    }
    Ok(())
}
