//! The catalogue of uploaded operators.

use airlock_core::id::TenantId;
use airlock_store::operators::{OperatorRow, Operators};
use airlock_store::support::compare_versions;
use airlock_store::{StoreError, StoreResult};
use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use crate::error::{Failure, Result};
use crate::row::{Columns, micros};
use crate::{SqliteStore, begin};

#[async_trait]
impl Operators for SqliteStore {
    async fn create_operator(&self, tenant: TenantId, operator: &OperatorRow) -> StoreResult<bool> {
        Ok(create_operator(self, tenant, operator).await?)
    }

    async fn operator(&self, tenant: TenantId, name: &str, version: &str) -> StoreResult<Option<OperatorRow>> {
        let rows = sqlx::query("SELECT * FROM operators WHERE tenant_id = ?1 AND name = ?2 AND version = ?3")
            .bind(tenant.0)
            .bind(name)
            .bind(version);
        let row = rows.fetch_optional(&mut *self.reader().await).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(operator_row).transpose()?)
    }

    async fn list_operators(&self, tenant: TenantId) -> StoreResult<Vec<OperatorRow>> {
        let rows = sqlx::query("SELECT * FROM operators WHERE tenant_id = ?1").bind(tenant.0);
        let rows = rows.fetch_all(&mut *self.reader().await).await.map_err(Failure::from)?;
        let mut operators: Vec<OperatorRow> = rows.iter().map(operator_row).collect::<Result<_>>()?;
        operators.sort_by(|left, right| {
            left.name.cmp(&right.name).then_with(|| compare_versions(&right.version, &left.version))
        });
        Ok(operators)
    }

    async fn set_operator_yanked(
        &self,
        tenant: TenantId,
        name: &str,
        version: &str,
        yanked: bool,
    ) -> StoreResult<bool> {
        let update =
            sqlx::query("UPDATE operators SET yanked = ?4 WHERE tenant_id = ?1 AND name = ?2 AND version = ?3")
                .bind(tenant.0)
                .bind(name)
                .bind(version)
                .bind(yanked);
        let done = update.execute(&mut *self.writer().await).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }

    async fn digest_in_use(&self, digest: &str) -> StoreResult<bool> {
        let rows = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM operators WHERE digest = ?1)").bind(digest);
        Ok(rows.fetch_one(&mut *self.reader().await).await.map_err(Failure::from)?)
    }

    async fn tenant_has_digest(&self, tenant: TenantId, digest: &str) -> StoreResult<bool> {
        let rows = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM operators WHERE digest = ?1 AND tenant_id = ?2)")
            .bind(digest)
            .bind(tenant.0);
        Ok(rows.fetch_one(&mut *self.reader().await).await.map_err(Failure::from)?)
    }
}

async fn create_operator(store: &SqliteStore, tenant: TenantId, operator: &OperatorRow) -> Result<bool> {
    let mut writer = store.writer().await;
    let mut transaction = begin(&mut writer).await?;
    let inserted = sqlx::query(
        "INSERT INTO operators (tenant_id, name, version, digest, size, kind, summary, documentation, arguments_schema,
             template_fields, imports, yanked, uploaded_by, uploaded_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.0)
    .bind(&operator.name)
    .bind(&operator.version)
    .bind(&operator.digest)
    .bind(i64::try_from(operator.size).unwrap_or(i64::MAX))
    .bind(operator.kind.as_str())
    .bind(&operator.summary)
    .bind(&operator.documentation)
    .bind(operator.arguments_schema.to_string())
    .bind(serde_json::to_string(&operator.template_fields)?)
    .bind(serde_json::to_string(&operator.imports)?)
    .bind(operator.yanked)
    .bind(&operator.uploaded_by)
    .bind(micros(operator.uploaded_at))
    .execute(&mut *transaction)
    .await
    .map_err(|error| Failure::from(error).or_missing("tenant", &tenant.to_string()))?
    .rows_affected();
    if inserted == 0 {
        let found: String =
            sqlx::query_scalar("SELECT digest FROM operators WHERE tenant_id = ?1 AND name = ?2 AND version = ?3")
                .bind(tenant.0)
                .bind(&operator.name)
                .bind(&operator.version)
                .fetch_one(&mut *transaction)
                .await?;
        if found != operator.digest {
            return Err(StoreError::Conflict(format!(
                "operator `{}` has a version {} with other content ({found}); a version never changes: raise it",
                operator.name, operator.version
            ))
            .into());
        }
    }
    transaction.commit().await?;
    Ok(inserted > 0)
}

fn operator_row(row: &SqliteRow) -> Result<OperatorRow> {
    Ok(OperatorRow {
        name: row.text("name")?,
        version: row.text("version")?,
        digest: row.text("digest")?,
        size: row.number("size")?,
        kind: row.name("kind")?,
        summary: row.text("summary")?,
        documentation: row.optional_text("documentation")?,
        arguments_schema: row.json("arguments_schema")?,
        template_fields: row.json("template_fields")?,
        imports: row.json("imports")?,
        yanked: row.flag("yanked")?,
        uploaded_by: row.optional_text("uploaded_by")?,
        uploaded_at: row.instant("uploaded_at")?,
    })
}
