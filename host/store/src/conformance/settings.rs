//! Variables, connections and pools.

use airlock_core::id::TenantId;

use super::actors::{Driver, Worker};
use super::fixture::{page, run_of, tenant};
use crate::settings::{ConnectionRow, DEFAULT_POOL, PoolRow, PoolUse, Sealed, SealedKind, SealedPlace, VariableRow};
use crate::{Pattern, Store, StoreError};

fn variable(key: &str, value: &[u8]) -> VariableRow {
    VariableRow { key: key.to_owned(), value: Sealed(value.to_vec()), description: None }
}

fn connection(conn_id: &str, password: Option<&[u8]>) -> ConnectionRow {
    ConnectionRow {
        conn_id: conn_id.to_owned(),
        conn_type: "postgres".to_owned(),
        description: Some("the warehouse".to_owned()),
        host: Some("db.example.com".to_owned()),
        login: Some("etl".to_owned()),
        schema: Some("sales".to_owned()),
        port: Some(65_535),
        password: password.map(|password| Sealed(password.to_vec())),
        extra: None,
    }
}

fn pool(name: &str, slots: i32) -> PoolRow {
    PoolRow { name: name.to_owned(), slots, description: None, include_deferred: false }
}

pub async fn a_variable_is_its_tenants(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    store.create_variable(acme, &variable("region", b"eu")).await.unwrap();
    store.create_variable(beta, &variable("region", b"us")).await.unwrap();
    let twice = store.create_variable(acme, &variable("region", b"ap")).await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists { what: "variable", .. })));
    let nowhere = store.put_variable(TenantId(i64::MAX), &variable("region", b"eu")).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound { what: "tenant", .. })));

    let replaced = VariableRow { description: Some("where".to_owned()), ..variable("region", b"\0\xff") };
    store.put_variable(acme, &replaced).await.unwrap();
    assert_eq!(store.variable(acme, "region").await.unwrap().as_ref(), Some(&replaced));
    assert_eq!(store.variable(beta, "region").await.unwrap().unwrap().value, Sealed(b"us".to_vec()));

    assert!(store.delete_variable(acme, "region").await.unwrap());
    assert!(!store.delete_variable(acme, "region").await.unwrap());
    assert_eq!(store.variable(acme, "region").await.unwrap(), None);
    assert!(store.variable(beta, "region").await.unwrap().is_some());
}

pub async fn variables_are_listed_by_pattern_order_and_page(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    for key in ["Region", "region_old", "stage", "user"] {
        store.put_variable(acme, &variable(key, b"x")).await.unwrap();
    }
    store.put_variable(beta, &variable("region", b"x")).await.unwrap();
    let keys = async |pattern, page| {
        let listed = store.list_variables(acme, &Pattern::new(pattern, None), &page).await.unwrap();
        (listed.items.into_iter().map(|row| row.key).collect::<Vec<_>>(), listed.total)
    };
    assert_eq!(
        keys(None, page(10, 0, &[])).await,
        (["Region", "region_old", "stage", "user"].map(String::from).into(), 4)
    );
    assert_eq!(keys(None, page(2, 1, &[("key", true)])).await, (["stage", "region_old"].map(String::from).into(), 4));
    assert_eq!(keys(Some("REGION"), page(10, 0, &[])).await, (["Region", "region_old"].map(String::from).into(), 2));
    assert_eq!(keys(Some("r%n_o"), page(10, 0, &[])).await, (["region_old"].map(String::from).into(), 1));
    assert_eq!(keys(Some(r"\"), page(10, 0, &[])).await, (Vec::new(), 0), "a backslash is a letter like others");
    assert_eq!(keys(Some("user|old"), page(10, 0, &[])).await.0, ["region_old", "user"]);
    let prefix = async |prefix| {
        let listed = store.list_variables(acme, &Pattern::new(None, Some(prefix)), &page(10, 0, &[])).await.unwrap();
        listed.items.into_iter().map(|row| row.key).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(prefix("region_").await, "region_old", "letter by letter");
    assert_eq!(prefix("st|us").await, "stage user");
    assert_eq!(prefix("r_g").await, "", "no wildcards");
    let unknown = store.list_variables(acme, &Pattern::default(), &page(10, 0, &[("value", false)])).await;
    assert!(matches!(unknown, Err(StoreError::Conflict(text)) if text.contains("`value`") && text.contains("key")));
}

pub async fn a_connection_is_its_tenants(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let ours = connection("warehouse", Some(b"secret"));
    store.create_connection(acme, &ours).await.unwrap();
    let theirs = ConnectionRow { port: None, extra: Some(Sealed(vec![0, 1])), ..connection("warehouse", None) };
    store.create_connection(beta, &theirs).await.unwrap();
    let twice = store.create_connection(acme, &theirs).await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists { what: "connection", .. })));

    assert_eq!(store.connection(acme, "warehouse").await.unwrap().as_ref(), Some(&ours));
    store.put_connection(acme, &theirs).await.unwrap();
    store.put_connection(acme, &connection("lake", None)).await.unwrap();
    assert_eq!(store.connection(acme, "warehouse").await.unwrap().as_ref(), Some(&theirs));

    let listed = store.list_connections(acme, &Pattern::default(), &page(1, 0, &[("conn_id", true)])).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![theirs.clone()], 2));
    let listed = store.list_connections(acme, &Pattern::part("LAK"), &page(10, 0, &[])).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![connection("lake", None)], 1));

    assert!(!store.delete_connection(beta, "lake").await.unwrap());
    assert!(store.delete_connection(acme, "warehouse").await.unwrap());
    assert_eq!(store.connection(acme, "warehouse").await.unwrap(), None);
    assert!(store.connection(beta, "warehouse").await.unwrap().is_some());
}

pub async fn a_pool_is_its_tenants(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    store.create_pool(acme, &pool("db", 3)).await.unwrap();
    let twice = store.create_pool(acme, &pool("db", 4)).await;
    assert!(matches!(twice, Err(StoreError::AlreadyExists { what: "pool", .. })));
    assert_eq!(store.pool(beta, "db").await.unwrap(), None);
    let changed = PoolRow { slots: -1, include_deferred: true, description: Some("wide".to_owned()), ..pool("db", 3) };
    store.put_pool(acme, &changed).await.unwrap();
    assert_eq!(store.pool(acme, "db").await.unwrap(), Some((changed.clone(), PoolUse::default())));
    store.put_pool(acme, &pool("api", 1)).await.unwrap();

    let names = async |pattern, page| {
        let listed = store.list_pools(acme, &Pattern::new(pattern, None), &page).await.unwrap();
        (listed.items.into_iter().map(|(pool, _)| pool.name).collect::<Vec<_>>(), listed.total)
    };
    assert_eq!(names(None, page(10, 0, &[])).await, (["api", "db", DEFAULT_POOL].map(String::from).into(), 3));
    assert_eq!(names(Some("D"), page(1, 0, &[("slots", false)])).await, (["db"].map(String::from).into(), 2));

    assert!(!store.delete_pool(beta, "db").await.unwrap());
    assert!(store.delete_pool(acme, "db").await.unwrap());
    assert!(matches!(store.delete_pool(acme, DEFAULT_POOL).await, Err(StoreError::Conflict(_))));
    assert_eq!(names(None, page(10, 0, &[])).await.1, 2);
}

pub async fn a_pool_says_what_holds_its_slots(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "manual__1", &["a", "b", "c", "d"]).await;
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1]], 2).await;
    assert_eq!(worker.claim(1, 3).await.len(), 1);
    driver.defer(&run, &instances[2], 4).await;
    let (_, held) = store.pool(tenant, DEFAULT_POOL).await.unwrap().unwrap();
    assert_eq!(held, PoolUse { queued: 1, running: 1, deferred: 1, scheduled: 1 });
    let listed = store.list_pools(tenant, &Pattern::default(), &page(10, 0, &[])).await.unwrap();
    assert_eq!(listed.items[0].1, held);
}

pub async fn every_sealed_value_is_sealed_anew_once(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    store.put_variable(acme, &variable("region", b"1")).await.unwrap();
    store.put_variable(beta, &variable("region", b"2")).await.unwrap();
    let lake = ConnectionRow { extra: Some(Sealed(b"4".to_vec())), ..connection("lake", Some(b"3")) };
    store.put_connection(acme, &lake).await.unwrap();
    store.put_connection(acme, &connection("open", None)).await.unwrap();

    let name = move |place: SealedPlace<'_>, sealed: &Sealed| {
        let tenant = if place.tenant == acme { "acme" } else { "beta" };
        let old = String::from_utf8(sealed.0.clone()).unwrap();
        Ok(Sealed(format!("{tenant}/{}/{}/{old}", place.kind.as_str(), place.name).into_bytes()))
    };
    assert_eq!(store.reseal(&name).await.unwrap(), 4);
    let text = |sealed: Sealed| String::from_utf8(sealed.0).unwrap();
    assert_eq!(text(store.variable(acme, "region").await.unwrap().unwrap().value), "acme/variable/region/1");
    assert_eq!(text(store.variable(beta, "region").await.unwrap().unwrap().value), "beta/variable/region/2");
    let lake = store.connection(acme, "lake").await.unwrap().unwrap();
    assert_eq!(text(lake.password.unwrap()), "acme/connection.password/lake/3");
    assert_eq!(text(lake.extra.unwrap()), "acme/connection.extra/lake/4");
    assert_eq!(store.connection(acme, "open").await.unwrap().unwrap().password, None);

    let fails_late = |place: SealedPlace<'_>, _: &Sealed| match place.kind {
        SealedKind::Variable => Ok(Sealed(b"changed".to_vec())),
        SealedKind::ConnectionPassword | SealedKind::ConnectionExtra => Err("wrong key".to_owned()),
    };
    let failed = store.reseal(&fails_late).await;
    assert!(matches!(failed, Err(StoreError::Damaged(text)) if text.contains("lake") && text.contains("wrong key")));
    let untouched = store.variable(acme, "region").await.unwrap().unwrap().value;
    assert_eq!(text(untouched), "acme/variable/region/1", "all or nothing");
}
