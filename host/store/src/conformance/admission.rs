//! What may be queued, and that no pool is ever over its slots.

use airlock_core::state::TaskState;

use super::actors::{Driver, Worker};
use super::fixture::{admission, at, dag, move_to, new_instance, new_run, put_dag, run_of, settle, success, tenant};
use crate::Store;
use crate::driving::{Admission, Batch, Committed, NewInstance, RunChange, Usage, UsageQuery};
use crate::settings::{DEFAULT_POOL, PoolRow};

pub async fn usage_is_what_is_queued_or_running_after_the_batch(store: &dyn Store) {
    let (acme, beta) = (tenant(store, "acme").await, tenant(store, "beta").await);
    let db = PoolRow { name: "db".to_owned(), slots: 9, description: None, include_deferred: false };
    store.create_pool(acme, &db).await.unwrap();
    store.create_pool(beta, &db).await.unwrap();
    let mut document = dag("sales", &["a", "b", "c", "d"]);
    document.tasks[1].pool = "db".to_owned();
    document.tasks[1].pool_slots = 3;
    put_dag(store, acme, &document).await;
    store.create_run(&new_run(acme, "sales", "one")).await.unwrap();
    let (driver, worker) = (Driver::new(store), Worker::new(store));
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[0], &instances[1], &instances[2]], 2).await;
    let claimed = worker.claim(1, 3).await.pop().unwrap();
    worker.report(&claimed, success(), 4).await;

    let task = |tenant, id: &str| (tenant, "sales".to_owned(), id.to_owned());
    let query = UsageQuery {
        tenants: vec![acme, beta],
        tasks: vec![task(acme, "a"), task(acme, "b"), task(acme, "d"), task(beta, "b")],
    };
    let look = async |changes| {
        let seen = std::sync::Mutex::new(Usage::default());
        driver
            .commit_and_admit(changes, query.clone(), 5, &|usage| {
                *seen.lock().unwrap() = usage.clone();
                Vec::new()
            })
            .await;
        let mut usage = seen.into_inner().unwrap();
        assert_eq!(store.usage(&query).await.unwrap(), usage, "whoever asks hears the same");
        usage.pools.sort_by(|left, right| (left.0, &left.1.name).cmp(&(right.0, &right.1.name)));
        usage
    };
    let slots = |usage: &Usage| usage.pools.iter().map(|(_, _, held)| *held).collect::<Vec<_>>();
    let tasks = |usage: &Usage| usage.tasks.iter().map(|(_, _, _, active)| *active).collect::<Vec<_>>();
    let before = look(Vec::new()).await;
    let names: Vec<_> = before.pools.iter().map(|(tenant, pool, _)| (*tenant, pool.name.as_str())).collect();
    assert_eq!(names, [(acme, "db"), (acme, DEFAULT_POOL), (beta, "db"), (beta, DEFAULT_POOL)]);
    assert_eq!(before.pools[0].1, db);
    assert_eq!(slots(&before), [3, 2, 0, 0], "a reported try holds its slots until it is settled");
    assert_eq!((before.tenants.clone(), tasks(&before)), (vec![(acme, 3), (beta, 0)], vec![1, 1, 0, 0]));

    let reported = store.reported_tries(driver.owner, 9).await.unwrap();
    let mut moves = vec![settle(&reported[0], TaskState::Success, 5)];
    moves.push(move_to(&instances[3], Some(TaskState::Deferred), 5));
    let change = RunChange { moves, ..RunChange::default() };
    let after = look(vec![(run.key, run.epoch, change)]).await;
    assert_eq!(slots(&after), [3, 1, 0, 0]);
    assert_eq!((after.tenants.clone(), tasks(&after)), (vec![(acme, 2), (beta, 0)], vec![0, 1, 1, 0]));

    let default = PoolRow { name: DEFAULT_POOL.to_owned(), include_deferred: true, ..db };
    store.put_pool(acme, &default).await.unwrap();
    assert_eq!(slots(&look(Vec::new()).await), [3, 2, 0, 0], "a pool may count what is deferred");
    let holders = async |pool: &str, limit| {
        let holders = store.pool_holders(acme, pool, limit).await.unwrap();
        assert!(holders.iter().all(|holder| (holder.dag_id.as_str(), holder.run_id.as_str()) == ("sales", "one")));
        holders.into_iter().map(|holder| (holder.task_id, holder.pool_slots)).collect::<Vec<_>>()
    };
    assert_eq!(holders("db", 9).await, [("b".to_owned(), 3)]);
    assert_eq!(holders(DEFAULT_POOL, 9).await, [("c".to_owned(), 1), ("d".to_owned(), 1)]);
    assert_eq!(holders(DEFAULT_POOL, 1).await, [("c".to_owned(), 1)]);
    assert!(store.pool_holders(beta, "db", 9).await.unwrap().is_empty());
}

pub async fn an_admission_names_the_try_that_it_leaves(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a", "b", "c"]).await;
    let driver = Driver::new(store);
    let (run, instances) = driver.start(1).await;
    driver.admit(&run, &[&instances[2]], 2).await;
    let wrong_try = Admission { from_try: 1, to_try: 2, ..admission(&run, &instances[0]) };
    let wanted = [admission(&run, &instances[1]), wrong_try, admission(&run, &instances[2])];
    let committed = driver.commit_and_admit(Vec::new(), UsageQuery::default(), 3, &|_| wanted.to_vec()).await;
    assert_eq!(committed, Committed { admitted: vec![instances[1].id], ..Committed::default() });
    let states: Vec<_> = store.load_run(run.key).await.unwrap().unwrap().instances;
    let states: Vec<_> = states.iter().map(|one| (one.state, one.try_number, one.queued_at)).collect();
    assert_eq!(
        states,
        [
            (Some(TaskState::Scheduled), 0, None),
            (Some(TaskState::Queued), 1, Some(at(3))),
            (Some(TaskState::Queued), 1, Some(at(2))),
        ]
    );
    assert_eq!(store.queue_depths().await.unwrap()[0].queued, 2, "once each");
}

pub async fn what_a_batch_makes_it_can_admit(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    run_of(store, tenant, "sales", "one", &["a"]).await;
    let driver = Driver::new(store);
    let loaded = driver.take(1).await.pop().unwrap();
    let create: Vec<NewInstance> = (0..50).map(|index| NewInstance { map_index: index, ..new_instance("a") }).collect();
    let admissions: Vec<Admission> = create
        .iter()
        .map(|new| {
            let mut admission = admission(&loaded.run, &super::fixture::instance_of(&loaded.run, new));
            admission.entry.map_index = new.map_index;
            admission
        })
        .collect();
    let change = RunChange { create, ..RunChange::default() };
    let committed = driver
        .commit_and_admit(vec![(loaded.run.key, loaded.run.epoch, change)], UsageQuery::default(), 2, &|_| {
            admissions.clone()
        })
        .await;
    assert_eq!(committed.admitted.len(), 50);
    let claimed = Worker::new(store).claim(100, 3).await;
    let order: Vec<i32> = claimed.iter().map(|one| one.map_index).collect();
    assert_eq!(order, (0..50).collect::<Vec<_>>(), "they come out in the order of the batch");
}

/// Two schedulers with a run each fill the same pool at once, again and again, each by what it is shown.
pub async fn no_pool_is_ever_over_its_slots(store: &dyn Store) {
    let tenant = tenant(store, "acme").await;
    let narrow = PoolRow { name: DEFAULT_POOL.to_owned(), slots: 5, description: None, include_deferred: false };
    store.put_pool(tenant, &narrow).await.unwrap();
    let names: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let drivers = [Driver::new(store), Driver::new(store)];
    let mut pending = Vec::new();
    for (driver, dag_id) in drivers.iter().zip(["left", "right"]) {
        run_of(store, tenant, dag_id, "one", &names).await;
        let (run, instances) = driver.start(1).await;
        pending.push(instances.iter().map(|instance| admission(&run, instance)).collect::<Vec<_>>());
    }
    let fill = async |driver: &Driver<'_>, wanted: &[Admission]| {
        let admit = |usage: &Usage| {
            let (_, pool, held) = &usage.pools[0];
            assert!(*held <= 5, "{held} slots of 5 are held");
            wanted.iter().take((pool.slots as u64 - held) as usize).cloned().collect()
        };
        let usage = UsageQuery { tenants: vec![tenant], tasks: Vec::new() };
        let batch = Batch { owner: driver.owner, now: at(2), changes: Vec::new(), usage };
        store.commit(&batch, &admit).await.unwrap().admitted
    };
    let worker = Worker::new(store);
    let mut finished = 0;
    while finished < 20 {
        let (left, right) = tokio::join!(fill(&drivers[0], &pending[0]), fill(&drivers[1], &pending[1]));
        for (pending, admitted) in pending.iter_mut().zip([&left, &right]) {
            pending.retain(|admission| !admitted.contains(&admission.instance));
        }
        let (_, held) = store.pool(tenant, DEFAULT_POOL).await.unwrap().unwrap();
        assert!(held.queued + held.running <= 5, "{held:?}");
        for claimed in worker.claim(3, 3).await {
            worker.report(&claimed, success(), 4).await;
        }
        for driver in &drivers {
            let reported = store.reported_tries(driver.owner, 9).await.unwrap();
            let Some(first) = reported.first() else { continue };
            let run = store.load_run(first.run).await.unwrap().unwrap().run;
            finished += reported.len();
            driver.settle(&run, TaskState::Success, 5).await;
        }
    }
    assert!(store.queue_depths().await.unwrap().is_empty());
}
