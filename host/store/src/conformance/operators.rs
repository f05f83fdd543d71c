//! The catalogue of operators.

use airlock_core::dag::OperatorKind;
use airlock_core::id::TenantId;
use serde_json::json;

use super::fixture::{at, tenant};
use crate::operators::OperatorRow;
use crate::{Store, StoreError};

fn operator(name: &str, version: &str, digit: &str) -> OperatorRow {
    OperatorRow {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: format!("sha256:{}", digit.repeat(64)),
        size: 5_000_000_000,
        kind: OperatorKind::ShortCircuit,
        summary: "does it".to_owned(),
        documentation: Some("# It".to_owned()),
        arguments_schema: json!({"type": "object", "properties": {"z": {}, "a": {}}}),
        template_fields: vec!["sql".to_owned()],
        imports: vec!["airlock:operator/sql@0.1.0".to_owned()],
        yanked: false,
        uploaded_by: Some("kim".to_owned()),
        uploaded_at: at(1),
    }
}

pub async fn a_version_never_changes_its_content(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let first = operator("sql", "1.0.0", "a");
    assert!(store.create_operator(acme, &first).await.unwrap());
    let again = OperatorRow { summary: "other words".to_owned(), ..first.clone() };
    assert!(!store.create_operator(acme, &again).await.unwrap());
    assert_eq!(store.operator(acme, "sql", "1.0.0").await.unwrap().as_ref(), Some(&first));
    let other = store.create_operator(acme, &operator("sql", "1.0.0", "b")).await;
    assert!(matches!(other, Err(StoreError::Conflict(text)) if text.contains("1.0.0") && text.contains("sql")));

    assert_eq!(store.operator(beta, "sql", "1.0.0").await.unwrap(), None);
    assert!(store.create_operator(beta, &operator("sql", "1.0.0", "b")).await.unwrap(), "each tenant has its own");
    let nowhere = store.create_operator(TenantId(i64::MAX), &first).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound { what: "tenant", .. })));
}

pub async fn operators_are_listed_newest_version_first(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    for (name, version) in [("sql", "1.9.0"), ("bash", "0.1.0"), ("sql", "1.10.0-rc.1"), ("sql", "1.10.0")] {
        store.create_operator(acme, &operator(name, version, "a")).await.unwrap();
    }
    store.create_operator(beta, &operator("http", "1.0.0", "b")).await.unwrap();
    let listed = store.list_operators(acme).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|row| (row.name.as_str(), row.version.as_str())).collect();
    assert_eq!(listed, [("bash", "0.1.0"), ("sql", "1.10.0"), ("sql", "1.10.0-rc.1"), ("sql", "1.9.0")]);
}

pub async fn a_version_can_be_yanked_and_its_digest_stays_known(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let row = operator("sql", "1.0.0", "a");
    store.create_operator(acme, &row).await.unwrap();
    assert!(store.set_operator_yanked(acme, "sql", "1.0.0", true).await.unwrap());
    assert!(!store.set_operator_yanked(beta, "sql", "1.0.0", true).await.unwrap());
    assert!(store.operator(acme, "sql", "1.0.0").await.unwrap().unwrap().yanked);
    assert!(store.tenant_has_digest(acme, &row.digest).await.unwrap(), "runs that have it keep it");
    assert!(!store.tenant_has_digest(beta, &row.digest).await.unwrap());
    assert!(store.digest_in_use(&row.digest).await.unwrap());
    assert!(!store.digest_in_use("sha256:0").await.unwrap());
    assert!(store.set_operator_yanked(acme, "sql", "1.0.0", false).await.unwrap());
    assert!(!store.operator(acme, "sql", "1.0.0").await.unwrap().unwrap().yanked);
}
