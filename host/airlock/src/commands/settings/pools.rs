//! `airlock pools`.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Collection, Session, given};
use crate::cli::PoolsCommand;

const POOLS: Collection = Collection {
    noun: "pool",
    path: "/api/v2/pools",
    member: "pools",
    id: "name",
    columns: &[
        ("POOL", "/name"),
        ("SLOTS", "/slots"),
        ("RUNNING", "/running_slots"),
        ("QUEUED", "/queued_slots"),
        ("OPEN", "/open_slots"),
        ("DESCRIPTION", "/description"),
    ],
    fields: &["slots", "description", "include_deferred"],
};

pub async fn run(command: PoolsCommand, session: &Session) -> Result<()> {
    match command {
        PoolsCommand::List => POOLS.list(session).await,
        PoolsCommand::Get { name } => POOLS.get(&name, session).await,
        PoolsCommand::Set(set) => {
            let body = given([
                ("slots", Some(json!(set.slots))),
                ("description", set.description.map(Value::String)),
                ("include_deferred", Some(json!(set.include_deferred))),
            ]);
            POOLS.set(&set.name, body, session).await
        }
        PoolsCommand::Delete { name } => POOLS.delete(&name, session).await,
        PoolsCommand::Import { file } => POOLS.import(&file, &session.client()?).await,
        PoolsCommand::Export => POOLS.export(session).await,
    }
}
