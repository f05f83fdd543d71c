//! `airlock connections | variables | pools`: three collections of the API that are handled alike.

pub mod connections;
pub mod pools;
pub mod variables;

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::Session;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{self, Column};

/// A collection of named things.
struct Collection {
    /// What one is called.
    noun: &'static str,
    path: &'static str,
    /// The list in the answer to `GET`.
    member: &'static str,
    /// The member that is the name.
    id: &'static str,
    columns: &'static [Column],
    /// The members that exports have and imports may have.
    fields: &'static [&'static str],
}

impl Collection {
    async fn list(&self, session: &Session) -> Result<()> {
        let items = session.client()?.list(self.path, self.member).await?;
        output::rows(session.output, self.columns, &items)
    }

    async fn get(&self, id: &str, session: &Session) -> Result<()> {
        let item = session.client()?.get(&self.one(id)).await?;
        output::record(session.output, self.columns, &item)
    }

    async fn set(&self, id: &str, body: Map<String, Value>, session: &Session) -> Result<()> {
        let item = session.client()?.upsert(self.path, id, &Value::Object(self.named(id, body))).await?;
        output::record(session.output, self.columns, &item)
    }

    async fn delete(&self, id: &str, session: &Session) -> Result<()> {
        session.client()?.delete(&self.one(id)).await?;
        eprintln!("removed the {} `{id}`", self.noun);
        Ok(())
    }

    async fn import(&self, file: &Path, client: &Client) -> Result<()> {
        let items = read_objects(file, self)?;
        for (id, body) in &items {
            let body = Value::Object(self.named(id, body.clone()));
            client
                .upsert(self.path, id, &body)
                .await
                .with_context(|| format!("the {} `{id}` was not imported", self.noun))?;
        }
        eprintln!("imported {} of {}", items.len(), file.display());
        Ok(())
    }

    async fn export(&self, session: &Session) -> Result<()> {
        let items = session.client()?.list(self.path, self.member).await?;
        let exported: Map<String, Value> = items
            .iter()
            .filter_map(|item| {
                let known = |field: &&str| {
                    item.get(*field).filter(|value| !value.is_null()).map(|value| ((*field).to_owned(), value.clone()))
                };
                let body: Map<String, Value> = self.fields.iter().filter_map(known).collect();
                Some((item.get(self.id)?.as_str()?.to_owned(), Value::Object(body)))
            })
            .collect();
        output::write(&format!("{}\n", serde_json::to_string_pretty(&exported)?))
    }

    fn one(&self, id: &str) -> String {
        format!("{}/{}", self.path, segment(id))
    }

    fn named(&self, id: &str, mut body: Map<String, Value>) -> Map<String, Value> {
        body.insert(self.id.to_owned(), Value::String(id.to_owned()));
        body
    }
}

/// Reads an object of objects. A plain text stands for an object with that `value`, as Airflow's export of variables has it.
fn read_objects(file: &Path, collection: &Collection) -> Result<Vec<(String, Map<String, Value>)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let objects: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("{} is not a JSON object: {error}", file.display())))?;
    objects
        .into_iter()
        .map(|(id, value)| {
            let body = match value {
                Value::Object(body) => body,
                Value::String(_) if collection.fields.contains(&"value") => {
                    [("value".to_owned(), value)].into_iter().collect()
                }
                other => {
                    return Err(Failure::new(format!("{}: `{id}` is {other}, not an object", file.display())).into());
                }
            };
            let allowed = |field: &&String| collection.fields.contains(&field.as_str()) || *field == "password";
            if let Some(unknown) = body.keys().find(|field| !allowed(field)) {
                let known = collection.fields.join(", ");
                return Err(Failure::new(format!("{}: `{id}` has an unknown member `{unknown}`", file.display()))
                    .hint(format!("a {} has {known}", collection.noun))
                    .into());
            }
            Ok((id, body))
        })
        .collect()
}

/// The members that were given.
fn given<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
