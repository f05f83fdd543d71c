//! New keys for everything that is sealed.

use airlock_core::id::TenantId;
use airlock_store::StoreError;
use airlock_store::settings::{Reseal, Sealed, SealedKind, SealedPlace};
use sqlx::postgres::PgConnection;

use crate::PostgresStore;
use crate::error::Result;
use crate::row::Columns;

pub async fn reseal(store: &PostgresStore, reseal: &Reseal<'_>) -> Result<u64> {
    let mut transaction = store.begin().await?;
    let count =
        reseal_variables(&mut transaction, reseal).await? + reseal_connections(&mut transaction, reseal).await?;
    transaction.commit().await?;
    Ok(count)
}

fn anew(reseal: &Reseal<'_>, place: SealedPlace<'_>, bytes: Vec<u8>) -> Result<Vec<u8>> {
    match reseal(place, &Sealed(bytes)) {
        Ok(sealed) => Ok(sealed.0),
        Err(error) => {
            let kind = place.kind.as_str();
            Err(StoreError::Damaged(format!("{kind} `{}` cannot be sealed again: {error}", place.name)).into())
        }
    }
}

async fn reseal_variables(connection: &mut PgConnection, reseal: &Reseal<'_>) -> Result<u64> {
    let rows = sqlx::query("SELECT tenant_id, key, value FROM variables").fetch_all(&mut *connection).await?;
    for row in &rows {
        let (tenant, key) = (TenantId(row.get("tenant_id")?), row.get::<String>("key")?);
        let place = SealedPlace { tenant, kind: SealedKind::Variable, name: &key };
        let value = anew(reseal, place, row.get("value")?)?;
        sqlx::query("UPDATE variables SET value = $3 WHERE tenant_id = $1 AND key = $2")
            .bind(tenant.0)
            .bind(&key)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(rows.len() as u64)
}

async fn reseal_connections(connection: &mut PgConnection, reseal: &Reseal<'_>) -> Result<u64> {
    let rows = sqlx::query(
        "SELECT tenant_id, conn_id, password, extra FROM connections WHERE password IS NOT NULL OR extra IS NOT NULL",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut count = 0;
    for row in &rows {
        let (tenant, conn_id) = (TenantId(row.get("tenant_id")?), row.get::<String>("conn_id")?);
        let mut seal = |bytes: Option<Vec<u8>>, kind: SealedKind| {
            let place = SealedPlace { tenant, kind, name: &conn_id };
            count += u64::from(bytes.is_some());
            bytes.map(|bytes| anew(reseal, place, bytes)).transpose()
        };
        let password = seal(row.get("password")?, SealedKind::ConnectionPassword)?;
        let extra = seal(row.get("extra")?, SealedKind::ConnectionExtra)?;
        sqlx::query("UPDATE connections SET password = $3, extra = $4 WHERE tenant_id = $1 AND conn_id = $2")
            .bind(tenant.0)
            .bind(&conn_id)
            .bind(password)
            .bind(extra)
            .execute(&mut *connection)
            .await?;
    }
    Ok(count)
}
