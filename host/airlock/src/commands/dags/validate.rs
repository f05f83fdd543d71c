//! `airlock dags validate`.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Session, read};
use crate::failure::Failure;
use crate::output::{self, Column};

const COLUMNS: &[Column] = &[("FILE", "/file"), ("AT", "/pointer"), ("FAULT", "/detail")];

pub async fn run(files: &[PathBuf], session: &Session) -> Result<()> {
    let client = session.client()?;
    let mut faults: Vec<Value> = Vec::new();
    for file in files {
        let document = read(file)?;
        for fault in client.validate(document.text).await? {
            faults.push(json!({ "file": document.name, "pointer": fault["pointer"], "detail": fault["detail"] }));
        }
    }
    output::rows(session.output, COLUMNS, &faults)?;
    if faults.is_empty() {
        eprintln!("{} valid", if files.len() == 1 { "the document is" } else { "all documents are" });
        Ok(())
    } else {
        Err(Failure::new(format!("{} faults", faults.len())).into())
    }
}
