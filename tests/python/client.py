"""Airflow's own client against Airlock: `client.py URL TOKEN DAG_ID`.

The DAG has a task `greet`, which says hello to `conf.name`, and a task `repeat` after it.
"""

import sys
import time

import airflow_client.client as airflow
from airflow_client.client import api, models


def main(url: str, token: str, dag_id: str) -> None:
    configuration = airflow.Configuration(host=url, access_token=token)
    with airflow.ApiClient(configuration) as client:
        the_server_is_well(client)
        dags_are_listed(client, dag_id)
        run_id = a_run_is_triggered_and_waited_for(client, dag_id)
        tasks_and_logs_are_read(client, dag_id, run_id)
        xcoms_are_read(client, dag_id, run_id)
        tasks_run_again(client, dag_id, run_id)
        tasks_and_runs_are_marked(client, dag_id, run_id)
        versions_are_read(client, dag_id)
        variables_are_set(client)
        connections_are_set(client)
        pools_are_set(client)
        the_installation_is_read(client, dag_id, run_id)
        lists_are_filtered(client, dag_id, run_id)
        what_is_not_there_is_not_found(client)


def the_server_is_well(client: airflow.ApiClient) -> None:
    assert api.VersionApi(client).get_version().version
    health = api.MonitorApi(client).get_health()
    assert health.metadatabase.status == "healthy", health
    assert health.scheduler.status == "healthy", health


def dags_are_listed(client: airflow.ApiClient, dag_id: str) -> None:
    dags = api.DAGApi(client)
    listed = dags.get_dags(tags=["python"])
    assert listed.total_entries == 1, listed
    assert listed.dags[0].dag_id == dag_id
    details = dags.get_dag_details(dag_id)
    assert details.latest_dag_version.version_number == 1, details
    assert dags.get_dag(dag_id).is_paused is False
    assert [task.task_id for task in api.TaskApi(client).get_tasks(dag_id).tasks] == ["greet", "repeat"]
    for paused in (True, False):
        answer = dags.patch_dag(dag_id, models.DAGPatchBody(is_paused=paused))
        assert answer.is_paused is paused


def a_run_is_triggered_and_waited_for(client: airflow.ApiClient, dag_id: str) -> str:
    runs = api.DagRunApi(client)
    body = models.TriggerDAGRunPostBody(logical_date=None, conf={"name": "Ada"}, note="by the client")
    run = runs.trigger_dag_run(dag_id, body)
    assert run.run_type == "manual" and run.conf == {"name": "Ada"}, run
    # The client's own waiting: it reads the stream of states until the run has ended.
    runs.wait_dag_run_until_finished_without_preload_content(dag_id, run.dag_run_id, interval=1).read()
    ended = patiently(lambda: runs.get_dag_run(dag_id, run.dag_run_id), lambda run: run.end_date is not None)
    assert ended.state == "success", ended
    assert ended.note == "by the client"
    listed = runs.get_dag_runs(dag_id, state=["success"], order_by=["-run_after"])
    assert [run.dag_run_id for run in listed.dag_runs] == [ended.dag_run_id], listed
    return ended.dag_run_id


def tasks_and_logs_are_read(client: airflow.ApiClient, dag_id: str, run_id: str) -> None:
    instances = api.TaskInstanceApi(client)
    listed = instances.get_task_instances(dag_id, run_id)
    states = {instance.task_id: instance.state for instance in listed.task_instances}
    assert states == {"greet": "success", "repeat": "success"}, states
    instance = instances.get_task_instance(dag_id, run_id, "greet")
    assert instance.try_number == 1 and instance.duration is not None, instance
    tries = instances.get_task_instance_tries(dag_id, run_id, "greet")
    assert [one.state for one in tries.task_instances] == ["success"], tries
    log = instances.get_log(dag_id, run_id, "greet", 1, full_content=True)
    assert "hello Ada" in str(log.content), log


def xcoms_are_read(client: airflow.ApiClient, dag_id: str, run_id: str) -> None:
    xcoms = api.XComApi(client)
    listed = xcoms.get_xcom_entries(dag_id, run_id, "repeat")
    assert [entry.key for entry in listed.xcom_entries] == ["return_value"], listed
    entry = xcoms.get_xcom_entry(dag_id, "repeat", run_id, "return_value")
    value = entry.actual_instance.value
    assert value == "hello Ada again", value


def tasks_run_again(client: airflow.ApiClient, dag_id: str, run_id: str) -> None:
    instances, runs = api.TaskInstanceApi(client), api.DagRunApi(client)
    selection = models.ClearTaskInstancesBody(
        dag_run_id=run_id, task_ids=[models.ClearTaskInstancesBodyTaskIdsInner("repeat")], only_failed=False
    )
    assert [one.task_id for one in instances.post_clear_task_instances(dag_id, selection).task_instances] == ["repeat"]
    selection.dry_run = False
    cleared = instances.post_clear_task_instances(dag_id, selection)
    assert cleared.total_entries == 1, cleared
    ended = patiently(lambda: runs.get_dag_run(dag_id, run_id), lambda run: run.end_date is not None)
    assert ended.state == "success", ended
    tries = instances.get_task_instance_tries(dag_id, run_id, "repeat")
    assert [one.state for one in tries.task_instances] == ["success", "success"], tries
    unmet = instances.get_task_instance_dependencies(dag_id, run_id, "repeat").dependencies
    assert [one.name for one in unmet] == ["Task Instance State"], unmet

    runs.clear_dag_run(dag_id, run_id, models.DAGRunClearBody(dry_run=False))
    ended = patiently(lambda: runs.get_dag_run(dag_id, run_id), lambda run: run.end_date is not None)
    assert ended.state == "success", ended
    assert instances.get_task_instance(dag_id, run_id, "repeat").try_number == 3


def tasks_and_runs_are_marked(client: airflow.ApiClient, dag_id: str, run_id: str) -> None:
    instances, runs = api.TaskInstanceApi(client), api.DagRunApi(client)
    body = models.PatchTaskInstanceBody(new_state="failed", note="not so well")
    assert instances.patch_task_instance_dry_run(dag_id, run_id, "repeat", body).total_entries == 1
    marked = instances.patch_task_instance(dag_id, run_id, "repeat", body).task_instances
    assert [(one.state, one.note) for one in marked] == [("failed", "not so well")], marked
    update = models.BulkUpdateActionBulkTaskInstanceBody(
        action="update", entities=[models.BulkTaskInstanceBody(task_id="repeat", new_state="success")]
    )
    action = models.ActionsInner1(update)
    done = instances.bulk_task_instances(dag_id, run_id, models.BulkBodyBulkTaskInstanceBody(actions=[action]))
    assert done.update.success == [f"{dag_id}.{run_id}.repeat[-1]"], done
    assert runs.patch_dag_run(dag_id, run_id, models.DAGRunPatchBody(state="failed")).state == "failed"


def versions_are_read(client: airflow.ApiClient, dag_id: str) -> None:
    versions = api.DagVersionApi(client)
    assert [one.version_number for one in versions.get_dag_versions(dag_id).dag_versions] == [1]
    assert versions.get_dag_version(dag_id, 1).dag_id == dag_id
    assert "greet" in api.DagSourceApi(client).get_dag_source(dag_id, version_number=1).content


def variables_are_set(client: airflow.ApiClient) -> None:
    variables = api.VariableApi(client)
    variables.post_variable(models.VariableBody(key="region", value="eu", description="where"))
    assert variables.get_variable("region").value == "eu"
    variables.patch_variable("region", models.VariableBody(key="region", value="us"))
    assert variables.get_variable("region").value == "us"
    assert variables.get_variables().total_entries == 1
    variables.delete_variable("region")
    assert variables.get_variables().total_entries == 0


def connections_are_set(client: airflow.ApiClient) -> None:
    connections = api.ConnectionApi(client)
    body = models.ConnectionBody(
        connection_id="warehouse", conn_type="postgres", host="db.example", login="ada", password="secret-of-ada", port=5432
    )
    made = connections.post_connection(body)
    read = connections.get_connection("warehouse")
    assert read.host == "db.example" and read.port == 5432, read
    # The password goes in and never comes out.
    assert "secret-of-ada" not in str(made) + str(read)
    connections.patch_connection("warehouse", body.model_copy(update={"host": "other.example"}), update_mask=["host"])
    assert connections.get_connection("warehouse").host == "other.example"
    assert connections.get_connections().total_entries == 1
    connections.delete_connection("warehouse")
    assert connections.get_connections().total_entries == 0


def pools_are_set(client: airflow.ApiClient) -> None:
    pools = api.PoolApi(client)
    pools.post_pool(models.PoolBody(name="narrow", slots=2))
    pools.patch_pool("narrow", models.PoolPatchBody(slots=3), update_mask=["slots"])
    assert pools.get_pool("narrow").slots == 3
    assert [pool.name for pool in pools.get_pools().pools] == ["default_pool", "narrow"]
    pools.delete_pool("narrow")


def the_installation_is_read(client: airflow.ApiClient, dag_id: str, run_id: str) -> None:
    jobs = api.JobApi(client).get_jobs(is_alive=True, job_type="SchedulerJob")
    assert [job.state for job in jobs.jobs] == ["running"], jobs
    assert [one.package_name for one in api.ProviderApi(client).get_providers().providers] == ["bash"]
    assert api.PluginApi(client).get_plugins().total_entries == 0
    assert api.PluginApi(client).import_errors().total_entries == 0
    assert api.ImportErrorApi(client).get_import_errors().total_entries == 0
    assert api.DagWarningApi(client).list_dag_warnings().total_entries == 0
    assert api.TaskInstanceApi(client).get_extra_links(dag_id, run_id, "greet").total_entries == 0
    try:
        api.ConfigApi(client).get_config()
    except airflow.exceptions.ForbiddenException as error:
        assert "expose_config" in error.body, error
    else:
        raise AssertionError("the configuration was told although it is not exposed")


def lists_are_filtered(client: airflow.ApiClient, dag_id: str, run_id: str) -> None:
    dags, runs, instances = api.DAGApi(client), api.DagRunApi(client), api.TaskInstanceApi(client)
    assert dags.get_dags(is_favorite=True).total_entries == 0
    dags.favorite_dag(dag_id)
    assert [dag.dag_id for dag in dags.get_dags(is_favorite=True, dag_id_prefix_pattern=dag_id[:3]).dags] == [dag_id]
    dags.unfavorite_dag(dag_id)
    assert dags.get_dags(has_asset_schedule=True).total_entries == 0
    assert runs.get_dag_runs(dag_id, run_id_prefix_pattern=run_id, duration_gte=0).total_entries >= 1
    assert runs.get_dag_runs(dag_id, conf_contains="Ada", order_by=["-duration"]).total_entries >= 1
    tasks = instances.get_task_instances(dag_id, run_id, operator_name_pattern="BASH|x", pool_name_prefix_pattern="def")
    assert tasks.total_entries == 2, tasks


def what_is_not_there_is_not_found(client: airflow.ApiClient) -> None:
    try:
        api.DAGApi(client).get_dag("nothing_of_the_kind")
    except airflow.exceptions.NotFoundException as error:
        assert "nothing_of_the_kind" in error.body, error
    else:
        raise AssertionError("a DAG that is not there was found")


def patiently(read, is_expected, seconds: float = 60):
    """What `read` gives, as soon as it is as expected."""
    end = time.monotonic() + seconds
    while not is_expected(found := read()):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
