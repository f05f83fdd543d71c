//! XComs.

use airlock_core::id::{RunKey, TenantId};
use airlock_store::xcoms::{XComFilter, XComOwner, XComPull, XComRow, XComs};
use airlock_store::{Page, Paged, StoreResult};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde_json::Value;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::error::{Failure, Result};
use crate::list::{Bound, List, Orders};
use crate::row::Columns;

/// What [`xcom_row`] reads.
macro_rules! xcom_columns {
    () => {
        "x.*, r.dag_id, r.run_id, r.logical_date, r.run_after"
    };
}
/// Where it is read from, up to the `WHERE`.
macro_rules! xcom_tables {
    () => {
        "FROM xcoms x JOIN dag_runs r USING (tenant_id, run_key)"
    };
}

const ORDERS: Orders = &[
    ("dag_id", "r.dag_id"),
    ("run_id", "r.run_id"),
    ("task_id", "x.task_id"),
    ("map_index", "x.map_index"),
    ("key", "x.key"),
    ("timestamp", "x.pushed_at"),
    ("run_after", "r.run_after"),
    ("logical_date", "r.logical_date"),
];

#[async_trait]
impl XComs for PostgresStore {
    async fn push_xcom(&self, owner: &XComOwner, key: &str, value: &Value, now: DateTime<Utc>) -> StoreResult<()> {
        let upsert = sqlx::query(
            "INSERT INTO xcoms (tenant_id, run_key, task_id, map_index, key, value, pushed_at)
             VALUES ($1, $2, $3, $4, $5, $6::json, $7)
             ON CONFLICT (tenant_id, run_key, task_id, map_index, key) DO UPDATE SET value = excluded.value, pushed_at = excluded.pushed_at",
        )
        .bind(owner.run.tenant.0)
        .bind(owner.run.id)
        .bind(&owner.task_id)
        .bind(owner.map_index)
        .bind(key)
        .bind(value.to_string())
        .bind(now);
        let done = upsert.execute(&mut *self.connection().await?).await.map_err(Failure::from);
        done.map_err(|failure| failure.or_missing("DAG run", &owner.run.id.to_string()))?;
        Ok(())
    }

    async fn pull_xcoms(&self, pull: &XComPull<'_>) -> StoreResult<Vec<XComRow>> {
        Ok(if pull.include_prior_dates {
            self.pull_from_any_run(pull).await?
        } else {
            self.pull_from_run(pull).await?
        })
    }

    async fn xcom_map_indexes(&self, run: RunKey, task_id: &str, key: &str) -> StoreResult<Vec<i32>> {
        let rows = sqlx::query_scalar(
            "SELECT map_index FROM xcoms WHERE tenant_id = $1 AND run_key = $2 AND task_id = $3 AND key = $4
             ORDER BY map_index",
        )
        .bind(run.tenant.0)
        .bind(run.id)
        .bind(task_id)
        .bind(key)
        .fetch_all(&mut *self.connection().await?)
        .await;
        Ok(rows.map_err(Failure::from)?)
    }

    async fn xcom(
        &self,
        tenant: TenantId,
        dag_id: &str,
        run_id: &str,
        task_id: &str,
        map_index: i32,
        key: &str,
    ) -> StoreResult<Option<XComRow>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            xcom_columns!(),
            " FROM dag_runs r
              CROSS JOIN LATERAL (
                  SELECT * FROM xcoms x
                  WHERE x.tenant_id = r.tenant_id AND x.run_key = r.run_key AND x.task_id = $4 AND x.map_index = $5
                      AND x.key = $6 OFFSET 0
              ) x
              WHERE r.tenant_id = $1 AND r.dag_id = $2 AND r.run_id = $3"
        ))
        .bind(tenant.0)
        .bind(dag_id)
        .bind(run_id)
        .bind(task_id)
        .bind(map_index)
        .bind(key);
        let row = rows.fetch_optional(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(row.as_ref().map(xcom_row).transpose()?)
    }

    async fn list_xcoms(&self, tenant: TenantId, filter: &XComFilter, page: &Page) -> StoreResult<Paged<XComRow>> {
        Ok(list(self, tenant, filter, page).await?)
    }

    async fn delete_xcom(&self, owner: &XComOwner, key: &str) -> StoreResult<bool> {
        let delete = sqlx::query(
            "DELETE FROM xcoms WHERE tenant_id = $1 AND run_key = $2 AND task_id = $3 AND map_index = $4 AND key = $5",
        )
        .bind(owner.run.tenant.0)
        .bind(owner.run.id)
        .bind(&owner.task_id)
        .bind(owner.map_index)
        .bind(key);
        let done = delete.execute(&mut *self.connection().await?).await.map_err(Failure::from)?;
        Ok(done.rows_affected() > 0)
    }
}

impl PostgresStore {
    async fn pull_from_run(&self, pull: &XComPull<'_>) -> Result<Vec<XComRow>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            xcom_columns!(),
            " ",
            xcom_tables!(),
            " WHERE x.tenant_id = $1 AND x.run_key = $2 AND x.key = $3
                AND ($4::text[] IS NULL OR x.task_id = ANY ($4))
                AND ($5::integer[] IS NULL OR x.map_index = ANY ($5))
              ORDER BY x.task_id, x.map_index"
        ));
        self.fetch_pulled(rows, pull).await
    }

    /// Of each task and map index the newest value: this run's, or that of the run before it that comes last.
    async fn pull_from_any_run(&self, pull: &XComPull<'_>) -> Result<Vec<XComRow>> {
        let rows = sqlx::query(concat!(
            "WITH candidates AS (
                 SELECT ",
            xcom_columns!(),
            ", row_number() OVER (
                     PARTITION BY x.task_id, x.map_index
                     ORDER BY (x.run_key = $2) DESC, coalesce(r.logical_date, r.run_after) DESC, r.run_key DESC
                 ) AS place
                 FROM dag_runs this
                 JOIN dag_runs r ON r.tenant_id = this.tenant_id AND r.dag_id = this.dag_id
                 JOIN xcoms x ON x.tenant_id = r.tenant_id AND x.run_key = r.run_key
                 WHERE this.tenant_id = $1 AND this.run_key = $2 AND x.key = $3
                     AND (r.run_key = this.run_key
                          OR coalesce(r.logical_date, r.run_after) < coalesce(this.logical_date, this.run_after))
                     AND ($4::text[] IS NULL OR x.task_id = ANY ($4))
                     AND ($5::integer[] IS NULL OR x.map_index = ANY ($5))
             )
             SELECT * FROM candidates WHERE place = 1 ORDER BY task_id, map_index"
        ));
        self.fetch_pulled(rows, pull).await
    }

    async fn fetch_pulled<'q>(
        &self,
        statement: sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>,
        pull: &XComPull<'_>,
    ) -> Result<Vec<XComRow>> {
        // One by one: a task that thousands of instances come before reads what each of them returned.
        let mut connection = self.connection().await?;
        let mut rows = statement
            .bind(pull.run.tenant.0)
            .bind(pull.run.id)
            .bind(pull.key.to_owned())
            .bind(pull.task_ids.map(<[String]>::to_vec))
            .bind(pull.map_indexes.map(<[i32]>::to_vec))
            .fetch(&mut *connection);
        let mut pulled = Vec::new();
        while let Some(row) = rows.try_next().await? {
            pulled.push(xcom_row(&row)?);
        }
        Ok(pulled)
    }
}

async fn list(store: &PostgresStore, tenant: TenantId, filter: &XComFilter, page: &Page) -> Result<Paged<XComRow>> {
    let mut list = List::new(xcom_tables!(), "r.tenant_id", tenant);
    list.equal("r.dag_id = ?", filter.dag_id.as_deref());
    list.equal("r.run_id = ?", filter.run_id.as_deref());
    list.equal("x.task_id = ?", filter.task_id.as_deref());
    list.equal("x.key = ?", filter.key.as_deref());
    list.like("x.key", &filter.key_pattern);
    list.like("r.dag_id", &filter.dag_id_pattern);
    list.like(
        "(SELECT d.display_name FROM dags d WHERE d.tenant_id = r.tenant_id AND d.dag_id = r.dag_id)",
        &filter.dag_display_name_pattern,
    );
    list.like("r.run_id", &filter.run_id_pattern);
    list.like("x.task_id", &filter.task_id_pattern);
    list.span("r.logical_date", &filter.logical_date);
    list.span("r.run_after", &filter.run_after);
    if let Some(map_index) = filter.map_index {
        list.condition("x.map_index = ?", Bound::Integer(map_index.into()));
    }
    let mut snapshot = store.snapshot().await?;
    let (rows, total) = list
        .fetch(&mut snapshot, xcom_columns!(), ORDERS, "r.dag_id, r.run_key, x.task_id, x.map_index, x.key", page)
        .await?;
    Ok(Paged { items: rows.iter().map(xcom_row).collect::<Result<_>>()?, total })
}

fn xcom_row(row: &PgRow) -> Result<XComRow> {
    Ok(XComRow {
        dag_id: row.get("dag_id")?,
        run_id: row.get("run_id")?,
        task_id: row.get("task_id")?,
        map_index: row.get("map_index")?,
        key: row.get("key")?,
        value: row.json("value")?,
        logical_date: row.get("logical_date")?,
        run_after: row.get("run_after")?,
        pushed_at: row.get("pushed_at")?,
    })
}
