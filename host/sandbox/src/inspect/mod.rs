//! What an uploaded file is, before anything else touches it: a pass over its bytes that runs none of them.
//!
//! Compiling is an attack surface and costs far more than reading, so everything that can be refused by reading is refused
//! here: rubbish, core modules, components of another world, foreign imports, and shapes that no honest compiler makes.

mod interfaces;

use wasmparser::{ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, Validator, WasmFeatures};

use interfaces::Name;

/// What a file may be like.
#[derive(Clone, Debug)]
pub struct InspectOptions {
    /// Bytes of the whole file.
    pub bytes: u64,
    /// Components and modules inside one another.
    pub nesting: usize,
    /// Core modules and components, together.
    pub modules: usize,
    /// Sections of all of them.
    pub sections: usize,
    /// Functions of all core modules.
    pub functions: u64,
    /// Bytes of one function's code: the cost of compiling grows faster than this.
    pub function_bytes: u64,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            nesting: 8,
            modules: 200,
            sections: 20_000,
            functions: 200_000,
            function_bytes: 1 << 20,
        }
    }
}

/// What was seen in a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The interfaces that it imports, sorted, such as `airlock:operator/sql@0.1.0`.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Functions of all core modules, imported ones not counted.
    pub functions: u64,
    /// Bytes of the largest function's code.
    pub largest_function: u64,
}

/// Why a file is no operator. Every text says what was found and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    #[error("the file is empty: send the bytes of a WebAssembly component")]
    Empty,
    #[error("the file has {found} bytes, and at most {allowed} are allowed")]
    TooLarge { found: u64, allowed: u64 },
    #[error(
        "the file is no WebAssembly binary ({found}): send the `.wasm` file that `cargo build --target wasm32-wasip2` makes"
    )]
    NotWasm { found: &'static str },
    #[error(
        "the file is a core module, and an operator is a component: build for the target `wasm32-wasip2`, or wrap the module with \
         `wasm-tools component new`"
    )]
    CoreModule,
    #[error("the file is not valid WebAssembly: {message} (at byte {offset})")]
    Invalid { message: String, offset: u64 },
    #[error("the file ends too early, at byte {offset}: it was cut off on its way, send it again")]
    Truncated { offset: u64 },
    #[error("the component has {found} {what}, and at most {allowed} are allowed")]
    TooMany { what: &'static str, found: u64, allowed: u64 },
    #[error(
        "the component is of another world: it exports {found}, and an operator exports `airlock:operator/task@0.1.x`"
    )]
    NoTask { found: String },
    #[error("the component imports `{import}`: {fault}")]
    ForbiddenImport { import: String, fault: String },
}

/// Looks at a whole file. Takes time in proportion to its size: call it where blocking is allowed.
pub fn inspect(bytes: &[u8], options: &InspectOptions) -> Result<Inspection, InspectError> {
    check_head(bytes, options)?;
    let mut scan = Scan::new(options, bytes.len() as u64);
    for payload in Parser::new(0).parse_all(bytes) {
        scan.payload(&payload.map_err(|error| invalid(&error, bytes))?)?;
    }
    // Last of what costs time: the sizes above bound it.
    Validator::new_with_features(WasmFeatures::default())
        .validate_all(bytes)
        .map_err(|error| invalid(&error, bytes))?;
    scan.finish()
}

fn check_head(bytes: &[u8], options: &InspectOptions) -> Result<(), InspectError> {
    if bytes.is_empty() {
        return Err(InspectError::Empty);
    }
    if bytes.len() as u64 > options.bytes {
        return Err(InspectError::TooLarge { found: bytes.len() as u64, allowed: options.bytes });
    }
    if !bytes.starts_with(b"\0asm") {
        let text = bytes.trim_ascii_start();
        let found = if text.starts_with(b"(module") || text.starts_with(b"(component") {
            "it is the text format"
        } else if bytes.starts_with(b"\x7fELF") {
            "it is native code, such as a precompiled module"
        } else {
            "it does not begin with `\\0asm`"
        };
        return Err(InspectError::NotWasm { found });
    }
    if Parser::is_core_wasm(bytes) {
        return Err(InspectError::CoreModule);
    }
    Ok(())
}

fn invalid(error: &wasmparser::BinaryReaderError, bytes: &[u8]) -> InspectError {
    let offset = error.offset() as u64;
    if error.message().contains("unexpected end") || offset >= bytes.len() as u64 {
        return InspectError::Truncated { offset: bytes.len() as u64 };
    }
    InspectError::Invalid { message: error.message().to_owned(), offset }
}

/// The counts of a walk over the file.
struct Scan<'a> {
    options: &'a InspectOptions,
    inspection: Inspection,
    depth: usize,
    modules: u64,
    sections: u64,
    exports_task: bool,
    /// The first fault, kept until the file is known to be whole: a component that is cut off should hear that first.
    forbidden: Option<InspectError>,
}

impl<'a> Scan<'a> {
    fn new(options: &'a InspectOptions, bytes: u64) -> Self {
        Self {
            options,
            inspection: Inspection { bytes, ..Inspection::default() },
            depth: 0,
            modules: 0,
            sections: 0,
            exports_task: false,
            forbidden: None,
        }
    }

    fn payload(&mut self, payload: &Payload<'_>) -> Result<(), InspectError> {
        self.sections += 1;
        self.bound("sections", self.sections, self.options.sections as u64)?;
        match payload {
            Payload::Version { encoding, .. } => {
                self.depth += 1;
                self.modules += 1;
                debug_assert!(self.depth > 1 || *encoding == Encoding::Component);
                self.bound("levels of nesting", self.depth as u64, self.options.nesting as u64)?;
                self.bound("modules and components", self.modules, self.options.modules as u64)
            }
            Payload::End(_) => {
                self.depth -= 1;
                Ok(())
            }
            Payload::CodeSectionStart { count, .. } => {
                self.inspection.functions += u64::from(*count);
                self.bound("functions", self.inspection.functions, self.options.functions)
            }
            Payload::CodeSectionEntry(body) => {
                // A function is no section: a module may have many.
                self.sections -= 1;
                let size = body.range().len() as u64;
                self.inspection.largest_function = self.inspection.largest_function.max(size);
                self.bound("bytes in one function", size, self.options.function_bytes)
            }
            Payload::ComponentImportSection(imports) if self.depth == 1 => {
                for import in imports.clone() {
                    let import = import.map_err(|error| InspectError::Invalid {
                        message: error.message().to_owned(),
                        offset: error.offset() as u64,
                    })?;
                    self.import(import.name.name, &import.ty);
                }
                Ok(())
            }
            Payload::ComponentExportSection(exports) if self.depth == 1 => {
                for export in exports.clone() {
                    let export = export.map_err(|error| InspectError::Invalid {
                        message: error.message().to_owned(),
                        offset: error.offset() as u64,
                    })?;
                    self.export(export.name.name, export.kind);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn bound(&self, what: &'static str, found: u64, allowed: u64) -> Result<(), InspectError> {
        if found > allowed { Err(InspectError::TooMany { what, found, allowed }) } else { Ok(()) }
    }

    fn import(&mut self, name: &str, kind: &ComponentTypeRef) {
        let fault = match kind {
            ComponentTypeRef::Instance(_) => interfaces::fault(name),
            // A type that several interfaces share; it gives the component nothing.
            ComponentTypeRef::Type(_) => return,
            _ => {
                Some("it is no interface; an operator imports interfaces of `airlock:operator` and WASI 0.2".to_owned())
            }
        };
        if let Some(fault) = fault {
            self.forbidden.get_or_insert(InspectError::ForbiddenImport { import: name.to_owned(), fault });
        }
        self.inspection.imports.push(name.to_owned());
    }

    fn export(&mut self, name: &str, kind: ComponentExternalKind) {
        if kind == ComponentExternalKind::Instance {
            self.exports_task |= Name::parse(name).is_some_and(|name| name.is_task());
        }
        self.inspection.exports.push(name.to_owned());
    }

    fn finish(mut self) -> Result<Inspection, InspectError> {
        if !self.exports_task {
            let names: Vec<_> = self.inspection.exports.iter().take(5).map(|name| format!("`{name}`")).collect();
            let found = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            return Err(InspectError::NoTask { found });
        }
        if let Some(forbidden) = self.forbidden {
            return Err(forbidden);
        }
        self.inspection.imports.sort();
        Ok(self.inspection)
    }
}
