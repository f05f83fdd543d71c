//! Components that no toolchain makes: an honest one, with core modules put behind it that are started with it.

use wasm_encoder::{
    CodeSection, Function, FunctionSection, Instruction, MemorySection, MemoryType, Module, RefType, StartSection,
    TableSection, TableType, TypeSection,
};
use wasmparser::{Parser, Payload};

use super::fixture;

/// The `noop` fixture, in which each of these core modules is instantiated so many times.
///
/// A component is a sequence of sections whose definitions are numbered in order, so sections can simply be appended.
pub fn with_cores(cores: &[(Vec<u8>, u32)]) -> Vec<u8> {
    let mut component = std::fs::read(fixture("noop")).unwrap();
    for (module, (core, count)) in (core_modules(&component)..).zip(cores) {
        section(&mut component, 1, core);
        let mut instances = Vec::new();
        leb(&mut instances, *count);
        for _ in 0..*count {
            // instantiate, the module's index, no arguments
            instances.push(0x00);
            leb(&mut instances, module);
            leb(&mut instances, 0);
        }
        section(&mut component, 2, &instances);
    }
    component
}

fn core_modules(component: &[u8]) -> u32 {
    let (mut depth, mut count) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } if depth == 1 => count += 1,
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    count
}

fn section(component: &mut Vec<u8>, id: u8, content: &[u8]) {
    component.push(id);
    leb(component, u32::try_from(content.len()).unwrap());
    component.extend_from_slice(content);
}

fn leb(bytes: &mut Vec<u8>, mut value: u32) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return;
        }
        bytes.push(byte | 0x80);
    }
}

pub fn empty() -> Vec<u8> {
    Module::new().finish()
}

/// A memory of so many pages of 64 KiB from the start.
pub fn memory(pages: u64) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: pages, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut module = Module::new();
    module.section(&memories);
    module.finish()
}

fn started(tables: Option<&TableSection>, function: &Function) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    code.function(function);
    let mut module = Module::new();
    module.section(&types).section(&functions);
    if let Some(tables) = tables {
        module.section(tables);
    }
    module.section(&StartSection { function_index: 0 }).section(&code);
    module.finish()
}

/// Grows its table for ever as soon as it is started.
pub fn growing_table() -> Vec<u8> {
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 1,
        maximum: None,
        shared: false,
    });
    let mut grow = Function::new([]);
    grow.instructions()
        .loop_(wasm_encoder::BlockType::Empty)
        .ref_null(wasm_encoder::HeapType::FUNC)
        .i32_const(100)
        .table_grow(0)
        .drop()
        .br(0)
        .end()
        .end();
    started(Some(&tables), &grow)
}

/// Functions that are quick to read and slow to compile: each is one block of additions over many locals that stay alive.
pub fn bomb(functions: u32, instructions: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut section = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..functions {
        section.function(0);
        let mut function = Function::new([(1_000, wasm_encoder::ValType::I64)]);
        for index in 0..instructions {
            function.instruction(&Instruction::LocalGet(index % 1_000));
            function.instruction(&Instruction::LocalGet((index * 7 + 3) % 1_000));
            function.instruction(&Instruction::I64Mul);
            function.instruction(&Instruction::LocalSet((index * 13 + 5) % 1_000));
            function.instruction(&Instruction::Block(wasm_encoder::BlockType::Empty));
            function.instruction(&Instruction::LocalGet(index % 1_000));
            function.instruction(&Instruction::I64Eqz);
            function.instruction(&Instruction::BrIf(0));
            function.instruction(&Instruction::End);
        }
        function.instruction(&Instruction::End);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&section).section(&code);
    module.finish()
}
