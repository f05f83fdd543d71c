//! Who did what.

use airlock_core::id::TenantId;

use super::fixture::at;
use crate::audit::{AuditEntry, AuditFilter, AuditRow};
use crate::{Page, Pattern, Store};

fn entry(second: i64, event: &str, dag_id: Option<&str>, owner: &str) -> AuditEntry {
    AuditEntry {
        at: at(second),
        event: event.to_owned(),
        dag_id: dag_id.map(str::to_owned),
        owner: owner.to_owned(),
        extra: Some("{}".to_owned()),
        ..AuditEntry::default()
    }
}

async fn events(store: &dyn Store, tenant: TenantId, filter: AuditFilter) -> Vec<String> {
    let found = store.list_audit(tenant, &filter, &Page::default()).await.unwrap();
    assert_eq!(found.total, found.items.len() as u64);
    found.items.into_iter().map(|row| row.entry.event).collect()
}

pub async fn what_was_done_is_kept_and_found(store: &dyn Store) {
    let acme = store.create_tenant("acme", &Default::default(), at(0)).await.unwrap().id;
    let beta = store.create_tenant("beta", &Default::default(), at(0)).await.unwrap().id;
    let task = AuditEntry {
        run_id: Some("r1".to_owned()),
        task_id: Some("t1".to_owned()),
        map_index: Some(3),
        try_number: Some(2),
        ..entry(3, "clear", Some("sales"), "ada")
    };
    for entry in [entry(1, "put_dag", Some("sales"), "ada"), entry(2, "post_pool", None, "bob"), task.clone()] {
        store.add_audit(acme, &entry).await.unwrap();
    }
    store.add_audit(beta, &entry(4, "put_dag", Some("sales"), "ada")).await.unwrap();

    let all = AuditFilter::default();
    assert_eq!(events(store, acme, all.clone()).await, ["put_dag", "post_pool", "clear"]);
    assert_eq!(events(store, beta, all.clone()).await, ["put_dag"]);
    let text = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (AuditFilter { dag_id: text("sales"), ..all.clone() }, vec!["put_dag", "clear"]),
        (
            AuditFilter {
                run_id: text("r1"),
                task_id: text("t1"),
                map_index: Some(3),
                try_number: Some(2),
                ..all.clone()
            },
            vec!["clear"],
        ),
        (AuditFilter { map_index: Some(-1), ..all.clone() }, vec![]),
        (AuditFilter { owner: text("bob"), ..all.clone() }, vec!["post_pool"]),
        (
            AuditFilter { included_events: vec!["clear".to_owned(), "put_dag".to_owned()], ..all.clone() },
            vec!["put_dag", "clear"],
        ),
        (AuditFilter { excluded_events: vec!["clear".to_owned()], ..all.clone() }, vec!["put_dag", "post_pool"]),
        (AuditFilter { after: Some(at(1)), before: Some(at(3)), ..all.clone() }, vec!["post_pool"]),
        (AuditFilter { event_pattern: Pattern::part("PO"), ..all.clone() }, vec!["post_pool"]),
        (
            AuditFilter { dag_id_pattern: Pattern::part("ale"), owner_pattern: Pattern::part("A"), ..all.clone() },
            vec!["put_dag", "clear"],
        ),
        (
            AuditFilter { run_id_pattern: Pattern::part("R"), task_id_pattern: Pattern::part("t"), ..all.clone() },
            vec!["clear"],
        ),
    ] {
        assert_eq!(events(store, acme, filter.clone()).await, expected, "{filter:?}");
    }

    let newest = Page { limit: 1, order_by: vec![("when".to_owned(), true)], ..Page::default() };
    let page = store.list_audit(acme, &all, &newest).await.unwrap();
    assert_eq!(page.total, 3);
    let AuditRow { id, entry } = page.items.into_iter().next().unwrap();
    assert_eq!(entry, task);
    assert_eq!(store.audit(acme, id).await.unwrap(), Some(AuditRow { id, entry }));
    assert_eq!(store.audit(beta, id).await.unwrap(), None);
}
