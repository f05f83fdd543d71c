//! `var`, `conn` and `ti`: what is looked up when a template asks for it, and not before.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Serde, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::bounds::bounded;
use super::context::Source;
use super::dates::invalid;
use super::{ConnectionView, LookupError, PulledXCom, XComPull};

fn failed(error: LookupError) -> Error {
    invalid(error.to_string())
}

/// A value, or the error as a value: an attribute cannot fail, but what uses it then does.
fn or_error(result: Result<Value, Error>) -> Value {
    result.unwrap_or_else(Value::from)
}

/// `var.value` and `var.json`.
pub(super) struct Variables {
    pub source: Arc<Source>,
    pub json: bool,
}

impl Variables {
    fn find(&self, key: &str) -> Result<Option<Value>, Error> {
        let Some(text) = self.source.lookup.variable(key).map_err(failed)? else { return Ok(None) };
        if !self.json {
            return Ok(Some(Value::from(text)));
        }
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| invalid(format!("the variable `{key}` is no JSON: {error}")))?;
        Ok(Some(Value::from(Serde(value))))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<VariableAccessor (dynamic access)>")
    }
}

impl Object for Variables {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let found =
            self.find(key).and_then(|found| found.ok_or_else(|| invalid(format!("there is no variable `{key}`"))));
        Some(or_error(found))
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method != "get" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let (key, default, kwargs): (&str, Option<Value>, Kwargs) = from_args(args)?;
        let default = default.or(kwargs.get("default")?).or(kwargs.get("default_var")?);
        kwargs.assert_all_used()?;
        bounded(state, self.find(key)?.unwrap_or_else(|| default.unwrap_or(Value::from(()))))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

/// `conn`.
pub(super) struct Connections(pub Arc<Source>);

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<ConnectionAccessor (dynamic access)>")
    }
}

impl Connections {
    fn find(&self, conn_id: &str) -> Result<Option<Value>, Error> {
        let view = self.0.lookup.connection(conn_id).map_err(failed)?;
        Ok(view.map(|view| Value::from_object(Connection(view))))
    }
}

impl Object for Connections {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let conn_id = key.as_str()?;
        let missing = || invalid(format!("there is no connection `{conn_id}`"));
        Some(or_error(self.find(conn_id).and_then(|found| found.ok_or_else(missing))))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method != "get" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let (conn_id, default, kwargs): (&str, Option<Value>, Kwargs) = from_args(args)?;
        let default = default.or(kwargs.get("default_conn")?);
        kwargs.assert_all_used()?;
        Ok(self.find(conn_id)?.unwrap_or_else(|| default.unwrap_or(Value::from(()))))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

/// `conn.warehouse`. Printing it shows its id only.
struct Connection(ConnectionView);

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.conn_id)
    }
}

impl Object for Connection {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let view = &self.0;
        Some(match key.as_str()? {
            "conn_id" => Value::from(&view.conn_id),
            "conn_type" => Value::from(&view.conn_type),
            "description" => Value::from(view.description.as_deref()),
            "host" => Value::from(view.host.as_deref()),
            "login" => Value::from(view.login.as_deref()),
            "schema" => Value::from(view.schema.as_deref()),
            "port" => Value::from(view.port),
            "password" => match &view.password {
                Ok(password) => Value::from(password.as_deref()),
                Err(reason) => Value::from(invalid(reason.clone())),
            },
            "extra" => Value::from(serde_json::Value::Object(view.extra.clone()).to_string()),
            "extra_dejson" => Value::from(Serde(&view.extra)),
            _ => return None,
        })
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

/// `ti` and `task_instance`.
pub(super) struct TaskInstance(pub Arc<Source>);

impl fmt::Debug for TaskInstance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = &self.0.scope;
        write!(formatter, "<TaskInstance: {}.{} {}>", scope.dag.dag_id, scope.task_id, scope.run.run_id)
    }
}

impl Object for TaskInstance {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let scope = &self.0.scope;
        Some(match key.as_str()? {
            "dag_id" => Value::from(&scope.dag.dag_id),
            "task_id" => Value::from(&scope.task_id),
            "run_id" => Value::from(&scope.run.run_id),
            "map_index" => Value::from(scope.instance.map_index),
            "try_number" => Value::from(scope.instance.try_number),
            "max_tries" => Value::from(scope.instance.max_tries),
            "start_date" => super::context::instant(scope.instance.started_at),
            "task" => Value::from_object(super::context::TaskFacts(self.0.clone())),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "xcom_pull" => {
                let value = pull(&self.0, args)?;
                bounded(state, value)
            }
            "xcom_push" => Err(invalid("a template cannot push an XCom: return a value from the task")),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

/// `xcom_pull(task_ids, dag_id, key, include_prior_dates, map_indexes, default, run_id)`.
fn pull(source: &Source, args: &[Value]) -> Result<Value, Error> {
    let (positional, named): (&[Value], Kwargs) = from_args(args)?;
    if positional.len() > 4 {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let argument = |place: usize, name: &str| -> Result<Option<Value>, Error> {
        let given = positional.get(place).cloned().or(named.get::<Option<Value>>(name)?);
        Ok(given.filter(|value| !value.is_none()))
    };
    let scope = &source.scope;
    only_own(argument(1, "dag_id")?, &scope.dag.dag_id, "DAG")?;
    only_own(argument(usize::MAX, "run_id")?, &scope.run.run_id, "DAG run")?;
    let (task_ids, several_tasks) = match argument(0, "task_ids")? {
        None => (vec![scope.task_id.clone()], false),
        Some(value) => texts(&value)?,
    };
    let key = argument(2, "key")?.map_or_else(|| "return_value".to_owned(), |key| key.to_string());
    let include_prior_dates = argument(3, "include_prior_dates")?.is_some_and(|value| value.is_true());
    let default = argument(usize::MAX, "default")?.unwrap_or(Value::from(()));
    // Airflow tells `None`, which stands for an unmapped task, from an argument that is not there.
    let map_indexes = match named.get::<Option<Value>>("map_indexes")? {
        None if !named.has("map_indexes") => None,
        None => Some((vec![crate::id::UNMAPPED], false)),
        Some(value) if value.is_none() => Some((vec![crate::id::UNMAPPED], false)),
        Some(value) => Some(indexes(&value)?),
    };
    named.assert_all_used()?;
    if task_ids.is_empty() {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    let request = XComPull {
        task_ids,
        key,
        map_indexes: map_indexes.as_ref().map(|(indexes, _)| indexes.clone()),
        include_prior_dates,
    };
    let pulled = source.lookup.xcoms(&request).map_err(failed)?;
    Ok(match &map_indexes {
        Some((indexes, several)) => by_index(&request.task_ids, indexes, &pulled, several_tasks || *several, &default),
        None => by_task(&request.task_ids, pulled, several_tasks, &default),
    })
}

fn only_own(given: Option<Value>, own: &str, what: &str) -> Result<(), Error> {
    match given {
        Some(other) if other.as_str() != Some(own) => Err(invalid(format!(
            "XComs can be pulled from the task's own {what} only, which is `{own}`, not `{other}`"
        ))),
        _ => Ok(()),
    }
}

/// One value per task and map index, in that order.
fn by_index(tasks: &[String], indexes: &[i32], pulled: &[PulledXCom], several: bool, default: &Value) -> Value {
    let find = |task: &String, index: &i32| {
        let found = pulled.iter().find(|xcom| xcom.task_id == *task && xcom.map_index == *index);
        found.map_or_else(|| default.clone(), |xcom| Value::from(Serde(&xcom.value)))
    };
    let mut values: Vec<Value> =
        tasks.iter().flat_map(|task| indexes.iter().map(move |index| find(task, index))).collect();
    if several { Value::from(values) } else { values.pop().unwrap_or_else(|| default.clone()) }
}

/// Every value of each task: one of a task that is not mapped, a list of a mapped one.
fn by_task(tasks: &[String], mut pulled: Vec<PulledXCom>, several: bool, default: &Value) -> Value {
    pulled.sort_by_key(|xcom| xcom.map_index);
    let mut values = Vec::new();
    let mut mapped = false;
    for task in tasks {
        let before = values.len();
        for xcom in pulled.iter().filter(|xcom| xcom.task_id == *task) {
            mapped |= xcom.map_index != crate::id::UNMAPPED;
            values.push(Value::from(Serde(&xcom.value)));
        }
        if values.len() == before {
            values.push(default.clone());
        }
    }
    if several || mapped { Value::from(values) } else { values.pop().unwrap_or_else(|| default.clone()) }
}

/// One text or a list of them, and whether it was a list.
fn texts(value: &Value) -> Result<(Vec<String>, bool), Error> {
    if let Some(text) = value.as_str() {
        return Ok((vec![text.to_owned()], false));
    }
    let wrong = || invalid("`task_ids` is a task id or a list of them");
    let texts = value.try_iter().map_err(|_| wrong())?.map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong));
    Ok((texts.collect::<Result<_, _>>()?, true))
}

/// One index or a list of them, and whether it was a list.
fn indexes(value: &Value) -> Result<(Vec<i32>, bool), Error> {
    if value.is_number() {
        return Ok((vec![i32::try_from(value.clone())?], false));
    }
    let indexes = value.try_iter()?.map(i32::try_from).collect::<Result<_, _>>()?;
    Ok((indexes, true))
}
