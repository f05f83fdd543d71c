//! Templates, against what Airflow makes of them.
#![expect(clippy::disallowed_methods, reason = "tests read files of cases and look at the clock")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use airlock_conformance::judge;
use airlock_core::asset::AssetOrAlias;
use airlock_core::callback::{About, CallbackEvent, MissedDeadline};
use airlock_core::dag::{
    CatalogueEntry, Dag, OperatorKind, OperatorVersion, ResolvedOperator, SnapshotCatalogue, parse_value,
};
use airlock_core::state::RunType;
use airlock_core::template::{
    AssetEventView, CallbackFacts, ConnectionView, InstanceFacts, Lookup, LookupError, PreviousRun, PulledXCom,
    RenderOptions, RunFacts, Scope, XComPull, render_fields,
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// What is in the database, for a test.
#[derive(Default)]
struct Database {
    variables: Map<String, Value>,
    xcoms: Vec<PulledXCom>,
    expanded: Option<Map<String, Value>>,
}

impl Lookup for Database {
    fn xcoms(&self, pull: &XComPull) -> Result<Vec<PulledXCom>, LookupError> {
        let wanted = |xcom: &&PulledXCom| {
            pull.key == "return_value"
                && pull.task_ids.contains(&xcom.task_id)
                && pull.map_indexes.as_ref().is_none_or(|indexes| indexes.contains(&xcom.map_index))
        };
        Ok(self.xcoms.iter().filter(wanted).cloned().collect())
    }

    fn variable(&self, key: &str) -> Result<Option<String>, LookupError> {
        if key == "forbidden" {
            return Err(LookupError::Denied("the task has no grant `variables:read:forbidden`".to_owned()));
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Ok(self.variables.get(key).map(text))
    }

    fn connection(&self, conn_id: &str) -> Result<Option<ConnectionView>, LookupError> {
        Ok((conn_id == "warehouse").then(|| ConnectionView {
            conn_id: conn_id.to_owned(),
            conn_type: "postgres".to_owned(),
            description: None,
            host: Some("db.example.com".to_owned()),
            login: Some("etl".to_owned()),
            schema: Some("sales".to_owned()),
            port: Some(5432),
            password: Err("the task has no grant `connections:secret:warehouse`".to_owned()),
            extra: json!({"sslmode": "require"}).as_object().cloned().unwrap(),
        }))
    }

    fn previous_success(&self) -> Result<Option<PreviousRun>, LookupError> {
        Ok(Some(PreviousRun { data_interval: None, started_at: Some(instant("2024-02-28T00:00:01Z")), ended_at: None }))
    }

    fn expanded(&self) -> Result<Option<Map<String, Value>>, LookupError> {
        Ok(self.expanded.clone())
    }

    fn asset_events(&self) -> Result<Vec<AssetEventView>, LookupError> {
        let event = |number: i64| AssetEventView {
            uri: "s3://lake/sales".to_owned(),
            name: "sales".to_owned(),
            group: "asset".to_owned(),
            extra: json!({"rows": number}).as_object().cloned().unwrap(),
            timestamp: instant("2024-03-01T00:00:00Z"),
            source_dag_id: Some("producer".to_owned()),
            source_task_id: Some("load".to_owned()),
            source_run_id: Some(format!("run_{number}")),
            source_map_index: -1,
            source_aliases: vec!["exports".to_owned()],
            partition_key: None,
        };
        Ok(vec![event(1), event(2)])
    }

    fn inlet_events(&self, inlet: &AssetOrAlias, most: u32) -> Result<Vec<AssetEventView>, LookupError> {
        assert!(most > 1);
        match inlet {
            AssetOrAlias::Asset(_) => self.asset_events(),
            AssetOrAlias::Alias(_) => Ok(self.asset_events()?.split_off(1)),
        }
    }
}

fn instant(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn dag() -> Dag {
    let entry = CatalogueEntry {
        operator: ResolvedOperator {
            name: "empty".to_owned(),
            version: "1.0.0".to_owned(),
            digest: "sha256:00".to_owned(),
            kind: OperatorKind::Action,
            template_fields: Vec::new(),
        },
        arguments_schema: Arc::new(json!({"type": "object"})),
    };
    let operator = OperatorVersion { entry, yanked: false };
    let catalogue = SnapshotCatalogue::new([operator], ["default_pool".to_owned()]);
    let sales = json!({"name": "sales", "uri": "s3://lake/sales"});
    let task = json!({"task_id": "t", "operator": "empty", "inlets": [sales, {"alias": "exports"}]});
    let document = json!({"dag_id": "d", "owner": "data", "tasks": [task]});
    parse_value(&document, &catalogue).unwrap()
}

fn scope() -> Scope {
    Scope {
        arguments: Map::new(),
        dag: Arc::new(dag()),
        task_id: "t".to_owned(),
        params: Map::new(),
        run: RunFacts {
            run_id: "manual__x".to_owned(),
            run_type: RunType::Manual,
            logical_date: Some(instant("2024-02-29T13:05:07Z")),
            data_interval: Some((instant("2024-02-29T13:05:07Z"), instant("2024-03-01T13:05:07Z"))),
            run_after: instant("2024-03-01T13:05:07Z"),
            started_at: None,
            partition: None,
            conf: Map::new(),
        },
        instance: InstanceFacts { map_index: -1, try_number: 2, max_tries: 3, started_at: None, reschedules: 0 },
        callback: None,
    }
}

fn render_in(scope: &Scope, database: Database, template: &str, native: bool) -> Result<Value, String> {
    let args = json!({"text": template}).as_object().cloned().unwrap();
    let options = RenderOptions { native, ..RenderOptions::default() };
    render_fields(&args, &["text".to_owned()], scope, Arc::new(database), options)
        .map(|mut rendered| rendered.remove("text").unwrap())
        .map_err(|fault| fault.to_string())
}

fn render(template: &str) -> Result<Value, String> {
    render_in(&scope(), Database::default(), template, false)
}

#[track_caller]
fn assert_refused(template: &str, part: &str) {
    let error = render(template).expect_err("the template is refused");
    assert!(error.contains(part), "no `{part}` in `{error}`");
}

#[test]
fn conformance_of_templates() {
    judge(
        "templating",
        "cases",
        |_| true,
        |case| {
            let context = &case.document["context"];
            let mut scope = scope();
            let object = |value: &Value| value.as_object().cloned().unwrap();
            scope.params = object(&context["params"]);
            scope.run.conf = object(&context["dag_run"]["conf"]);
            let date = |name: &str| instant(context[name].as_str().unwrap());
            scope.run.logical_date = Some(date("logical_date"));
            scope.run.data_interval = Some((date("data_interval_start"), date("data_interval_end")));
            let mut variables = object(&context["var"]["value"]);
            variables.extend(object(&context["var"]["json"]));
            let database = Database { variables, ..Database::default() };
            let (template, native) = (case["template"].as_str().unwrap(), case["native_types"].as_bool().unwrap());
            let rendered = render_in(&scope, database, template, native);
            let right = match case["expect"].get("value") {
                Some(value) => rendered.as_ref() == Ok(value),
                None => rendered.is_err(),
            };
            if right {
                Ok(())
            } else {
                Err(format!("{template} (native: {native}): {} and not {rendered:?}", case["expect"]))
            }
        },
    );
}

#[test]
fn the_scope_is_there_by_airflows_names() {
    for (template, text) in [
        ("{{ dag.dag_id }} {{ dag.owner }} {{ dag }}", "d data <DAG: d>"),
        ("{{ dag_run.run_id }} {{ dag_run.run_type }} {{ run_id }}", "manual__x manual manual__x"),
        ("{{ ti.try_number }} {{ ti.map_index }} {{ task_instance.task_id }} {{ ti.max_tries }}", "2 -1 t 3"),
        ("{{ task_instance_key_str }}", "d__t__20240229"),
        (
            "{{ ts }} {{ ts_nodash }} {{ ts_nodash_with_tz }} {{ ds_nodash }}",
            "2024-02-29T13:05:07+00:00 20240229T130507 20240229T130507+0000 20240229",
        ),
        ("{{ prev_start_date_success }} {{ prev_data_interval_end_success }}", "2024-02-28 00:00:01+00:00 None"),
        (
            "{{ conn.warehouse.host }}:{{ conn.warehouse.port }} {{ conn.warehouse.extra_dejson.sslmode }}",
            "db.example.com:5432 require",
        ),
        ("{{ conn['warehouse'].login }} {{ conn.get('nope', 'none') }} {{ conn.warehouse }}", "etl none warehouse"),
    ] {
        assert_eq!(render(template), Ok(json!(text)), "{template}");
    }
}

#[test]
fn a_run_without_a_logical_date_has_no_dates() {
    let mut scope = scope();
    scope.run.logical_date = None;
    let refused = render_in(&scope, Database::default(), "{{ ds }}", false).unwrap_err();
    assert!(refused.contains("`ds` is undefined"), "{refused}");
    assert_eq!(render_in(&scope, Database::default(), "{{ run_id }}", false), Ok(json!("manual__x")));
}

#[test]
fn xcoms_are_pulled_as_airflow_pulls_them() {
    let xcom = |task_id: &str, map_index, value| PulledXCom { task_id: task_id.to_owned(), map_index, value };
    let pull = |template: &str| {
        let xcoms = vec![
            xcom("load", -1, json!({"rowcount": 7})),
            xcom("mapped", 1, json!("b")),
            xcom("mapped", 0, json!("a")),
            xcom("t", -1, json!(5)),
        ];
        render_in(&scope(), Database { xcoms, ..Database::default() }, template, false)
    };
    for (template, text) in [
        ("{{ ti.xcom_pull(task_ids='load')['rowcount'] }}", "7"),
        ("{{ ti.xcom_pull('load').rowcount + 1 }}", "8"),
        ("{{ ti.xcom_pull(task_ids=['load', 'nope']) }}", "[{'rowcount': 7}, None]"),
        ("{{ ti.xcom_pull(task_ids='mapped') }}", "['a', 'b']"),
        ("{{ ti.xcom_pull(task_ids='mapped', map_indexes=1) }}", "b"),
        ("{{ ti.xcom_pull(task_ids='mapped', map_indexes=[1, 0, 5], default='-') }}", "['b', 'a', '-']"),
        ("{{ ti.xcom_pull(task_ids='load', map_indexes=none).rowcount }}", "7"),
        ("{{ ti.xcom_pull() }} {{ ti.xcom_pull(key='other') }}", "5 None"),
        ("{{ ti.xcom_pull('load', 'd', 'return_value', run_id='manual__x').rowcount }}", "7"),
    ] {
        assert_eq!(pull(template), Ok(json!(text)), "{template}");
    }
    assert!(pull("{{ ti.xcom_pull('load', dag_id='other') }}").unwrap_err().contains("own DAG only"));
    assert!(pull("{{ ti.xcom_pull(tasks='load') }}").is_err());
}

#[test]
fn fields_are_rendered_at_any_depth_and_others_are_not() {
    let args = json!({"sql": ["{{ ds }}", {"{{ key }}": "{{ run_id }}", "n": 1}], "other": "{{ ds }}"});
    let fields = ["sql".to_owned(), "missing".to_owned()];
    let lookup: Arc<dyn Lookup> = Arc::new(Database::default());
    let render = |args: &Value| {
        render_fields(args.as_object().unwrap(), &fields, &scope(), lookup.clone(), RenderOptions::default())
    };
    let expected = json!({"sql": ["2024-02-29", {"{{ key }}": "manual__x", "n": 1}], "other": "{{ ds }}"});
    assert_eq!(Value::Object(render(&args).unwrap()), expected);
    let fault = render(&json!({"sql": [{"a/b": "select 1\n  from {{ nope }}"}]})).unwrap_err();
    assert_eq!(fault.to_string(), "/sql/0/a~1b: line 2: undefined value: `nope` is undefined");
}

#[test]
fn events_of_assets_can_be_looked_at() {
    for (template, expected) in [
        ("{{ (triggering_asset_events.values() | first | last).extra.rows }}", "2"),
        (
            "{% for uri, events in triggering_asset_events.items() %}{{ uri }} {{ events | map(attribute='source_run_id') | \
             join(',') }}{% endfor %}",
            "s3://lake/sales run_1,run_2",
        ),
        ("{{ triggering_asset_events['s3://lake/sales'][0].asset.name }}", "sales"),
        ("{{ (triggering_asset_events.values() | first | first).timestamp | ds }}", "2024-03-01"),
        ("{{ inlet_events['s3://lake/sales'] | length }}", "2"),
        ("{{ inlet_events['sales'][-1].source_run_id }}", "run_2"),
        ("{{ inlet_events[0][0].extra.rows }} {{ inlet_events[-1] | length }}", "1 1"),
        ("{{ inlet_events['exports'][-1].source_aliases[0] }}", "exports"),
    ] {
        assert_eq!(render(template), Ok(json!(expected)), "{template}");
    }
}

#[test]
fn what_is_refused_is_explained() {
    assert_refused("{{ inlet_events['s3://lake/else'] | length }}", "no inlet s3://lake/else");
    assert_refused("{{ inlet_events[2][0] }}", "no inlet 2");
    assert_refused("{{ var.value.nope }}", "there is no variable `nope`");
    assert_refused("{{ var.value.forbidden }}", "no grant `variables:read:forbidden`");
    assert_refused("{{ conn.nope.host }}", "there is no connection `nope`");
    assert_refused("{{ conn.warehouse.password }}", "no grant `connections:secret:warehouse`");
    assert_refused("{{ macros.random() }}", "must give the same each time");
    assert_refused("{{ macros.datetime.now() }}", "must give the same each time");
    assert_refused("{{ ti.xcom_push('a', 1) }}", "cannot push");
    assert_refused("{{ logical_date.add(fortnights=1) }}", "fortnights");
    assert_refused("{{ logical_date.add(years=99999) }}", "between the years 1 and 9999");
    assert_refused("{{ logical_date.in_tz('Berlin') }}", "no time zone");
    assert_refused("{% include 'x' %}", "template not found");
    assert_refused("a\n{{ ds", "line 2");
    assert_refused("{{ debug() }}", "unknown");
}

/// Templates come from strangers. Each of these once took minutes or gigabytes, or overflowed the stack and with it ended
/// the process; on a stack as small as a thread's, and quickly, each must become an error.
#[test]
fn hostile_templates_are_stopped() {
    let nested = "[".repeat(40) + "ns.a" + &"]".repeat(40);
    let doubled = "{% set ns = namespace(a=[], b=[]) %}{% for i in range(60) %}\
                   {% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
    let templates = [
        format!("{{% set ns = namespace(a=[]) %}}{{% for i in range(9999) %}}{{% set ns.a = {nested} %}}{{% endfor %}}"),
        format!("{doubled}{{{{ ns.a == ns.b }}}}"),
        format!("{doubled}{{{{ ns.a }}}}"),
        "{% set a = [] %}".to_owned() + &"{% set a = [a] %}".repeat(20_000),
        "{% set a = ['x' * 100000] %}".to_owned() + &"{% set a = a + a %}".repeat(40),
        "{% set a = ['x' * 100000] * 1000 %}{{ a | string | length }}".to_owned(),
        "{% set a = 'x' * 100000 %}{{ a.replace('x', a) }}".to_owned(),
        "{% set a = 'x' * 100000 %}{{ a.join(a) }}".to_owned(),
        "{% set a = 'x' * 100000 %}{{ ('{0}' * 10000).format(a) }}".to_owned(),
        "{{ '{:999999999}'.format(1) }}".to_owned(),
        "{{ '%999999999d' | format(1) }}".to_owned(),
        "{{ 'a'.ljust(99999999999) }}".to_owned(),
        "{% set a = range(1000) | list %}{{ range(1000) | map(attribute='x', default=a) | map(attribute='x', default=a) | list }}"
            .to_owned(),
        "{% set ns = namespace(a=range(1000) | list) %}{% for i in range(50) %}{% set ns.a = (ns.a * 100) | batch(99999) | list %}{% endfor %}"
            .to_owned(),
        "{% set ns = namespace(a=range(1000) | list) %}{% for i in range(50) %}{% set ns.a = [ns.a] | chain([ns.a]) | list %}{% endfor %}"
            .to_owned(),
        "{% macro f(x) %}{{ f([x, x]) }}{% endmacro %}{{ f(1) }}".to_owned(),
        "{% for a in [1] recursive %}{{ loop([a]) }}{% endfor %}".to_owned(),
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}".to_owned(),
        "{{ 9 ** 9 ** 9 ** 9 }}".to_owned(),
        "{{ logical_date.strftime('%c' * 999999) }}".to_owned(),
        "{{ logical_date.format('dddd' * 999999) }}".to_owned(),
        "{{".to_owned() + &"(".repeat(100_000) + "}}",
        "{% set a = dict %}{% for i in range(100) %}{% set a = dict(x=a, y=a) %}{% endfor %}{{ 9999999 * 'x' }}".to_owned(),
    ];
    let many = json!({"text": vec!["{% for a in range(9999) %}{{ a }}{% endfor %}"; 10_000]});
    let lookup: Arc<dyn Lookup> = Arc::new(Database::default());
    let rendered =
        render_fields(many.as_object().unwrap(), &["text".to_owned()], &scope(), lookup, RenderOptions::default());
    assert!(rendered.unwrap_err().detail.contains("out of fuel"), "all templates of a task share a budget");
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        for template in templates {
            let begun = std::time::Instant::now();
            let rendered = render(&template);
            let start = &template[..60.min(template.len())];
            assert!(rendered.is_err(), "`{start}...` was rendered");
            assert!(begun.elapsed() < std::time::Duration::from_secs(10), "`{start}...` took {:?}", begun.elapsed());
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn a_callback_sees_what_it_is_about() {
    let deadline = MissedDeadline { id: uuid::Uuid::nil(), name: None, deadline_time: instant("2024-03-01T00:00:00Z") };
    let about = About { exception: Some("it broke".to_owned()), deadline: Some(deadline), ..About::default() };
    let callback = Some(CallbackFacts { event: CallbackEvent::OnRetry, about });
    let of_task = Scope { callback, ..scope() };
    let all = "{{ event }} {{ exception }} {{ reason }} {{ try_number }} {{ ti.task_id }} {{ deadline.deadline_time }} {{ ds }}";
    let rendered = render_in(&of_task, Database::default(), all, false);
    assert_eq!(rendered.unwrap(), "on_retry it broke None 2 t 2024-03-01 00:00:00+00:00 2024-02-29");
    let of_run = Scope { task_id: String::new(), ..of_task };
    assert_eq!(render_in(&of_run, Database::default(), "{{ try_number }}", false).unwrap(), "None");
    assert_refused("{{ exception }}", "undefined");
}
