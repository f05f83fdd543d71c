//! New keys for everything that is sealed.

use airlock_store::StoreError;
use airlock_store::settings::Sealed;

use crate::error::Result;
use crate::row::Columns;
use crate::{SqliteStore, begin};

type Reseal<'a> = &'a (dyn Fn(&Sealed) -> std::result::Result<Sealed, String> + Send + Sync);

pub async fn reseal(store: &SqliteStore, reseal: Reseal<'_>) -> Result<u64> {
    let seal_anew = |bytes: Vec<u8>, what: String| {
        reseal(&Sealed(bytes)).map_err(|error| StoreError::Damaged(format!("{what} cannot be read: {error}")))
    };
    let mut count = 0;
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let variables = sqlx::query("SELECT tenant_id, key, value FROM variables").fetch_all(&mut *transaction).await?;
    for row in &variables {
        let key = row.text("key")?;
        let value = seal_anew(row.bytes("value")?, format!("variable `{key}`"))?;
        sqlx::query("UPDATE variables SET value = ?3 WHERE tenant_id = ?1 AND key = ?2")
            .bind(row.integer("tenant_id")?)
            .bind(key)
            .bind(value.0)
            .execute(&mut *transaction)
            .await?;
        count += 1;
    }
    let connections = sqlx::query(
        "SELECT tenant_id, conn_id, password, extra FROM connections WHERE password IS NOT NULL OR extra IS NOT NULL",
    )
    .fetch_all(&mut *transaction)
    .await?;
    for row in &connections {
        let conn_id = row.text("conn_id")?;
        let mut columns = [row.optional_bytes("password")?, row.optional_bytes("extra")?];
        for column in columns.iter_mut().flatten() {
            *column = seal_anew(std::mem::take(column), format!("connection `{conn_id}`"))?.0;
            count += 1;
        }
        let [password, extra] = columns;
        sqlx::query("UPDATE connections SET password = ?3, extra = ?4 WHERE tenant_id = ?1 AND conn_id = ?2")
            .bind(row.integer("tenant_id")?)
            .bind(conn_id)
            .bind(password)
            .bind(extra)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(count)
}
