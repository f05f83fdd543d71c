//! One suite for every implementation. Each case is an asynchronous function over a fresh, migrated, empty store;
//! [`crate::conformance!`] makes a test of each. A method of a trait is not done before a case here relies on it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test suite, compiled only for tests")]

pub mod actors;
pub mod admission;
pub mod aliases;
pub mod assets;
pub mod audit;
pub mod backfills;
pub mod callbacks;
pub mod changes;
pub mod dags;
pub mod deadlines;
pub mod fixture;
pub mod health;
pub mod instances;
pub mod interventions;
pub mod mapping;
pub mod operators;
pub mod queue;
pub mod retention;
pub mod runs;
pub mod settings;
pub mod taking;
pub mod tenants;
pub mod throughput;
pub mod triggers;
pub mod xcoms;

/// Makes a test of every case. The argument is an asynchronous function without arguments that answers something which
/// dereferences to a fresh store and cleans up when it is dropped.
#[macro_export]
macro_rules! conformance {
    ($make:path) => {
        $crate::conformance! { @ $make;
            tenants: [
                a_tenant_is_made_once_with_its_default_pool,
                a_policy_can_be_set,
                users_belong_to_their_tenant,
                a_user_goes_with_all_its_tokens,
                a_token_is_found_by_its_hash_until_it_expires,
            ]
            settings: [
                a_variable_is_its_tenants,
                variables_are_listed_by_pattern_order_and_page,
                a_connection_is_its_tenants,
                a_pool_is_its_tenants,
                a_pool_says_what_holds_its_slots,
                every_sealed_value_is_sealed_anew_once,
            ]
            operators: [
                a_version_never_changes_its_content,
                operators_are_listed_newest_version_first,
                a_version_can_be_yanked_and_its_digest_stays_known,
            ]
            health: [
                a_process_is_known_by_its_heartbeats,
                the_load_is_that_of_all_tenants,
            ]
            audit: [
                what_was_done_is_kept_and_found,
            ]
            retention: [
                old_runs_go_with_all_that_they_had,
                the_newest_run_of_each_kind_stays,
                an_unfinished_run_and_the_one_before_it_stay,
                runs_of_an_unfinished_backfill_stay,
                earlier_tries_and_xcoms_go_without_their_run,
                events_that_a_dag_waits_with_stay,
                versions_that_runs_are_of_stay,
                much_goes_in_small_steps,
            ]
            dags: [
                a_version_is_made_only_where_the_content_changes,
                an_unexpected_version_is_refused,
                the_same_id_in_two_tenants_is_two_dags,
                a_dag_is_paused_from_its_document_only_when_it_is_new,
                a_next_run_is_set_for_the_version_it_was_reckoned_from,
                dags_are_listed_by_filter_order_and_page,
                dags_are_found_by_their_newest_run_and_their_assets,
                people_pick_out_dags,
                a_dag_goes_with_all_that_it_had,
            ]
            runs: [
                a_run_is_of_its_dags_newest_version,
                run_ids_and_logical_dates_are_taken_once,
                runs_are_listed_by_filter_order_and_page,
                a_run_can_be_annotated,
                a_run_goes_unless_it_is_running,
                the_last_automated_run_is_the_one_with_the_latest_date,
                runs_are_counted_by_state,
            ]
            backfills: [
                a_dag_has_one_active_backfill,
                slots_have_their_turns_in_order,
                backfilled_runs_start_within_their_own_limit_and_last,
                a_cancelled_backfill_fails_what_is_queued,
                a_run_that_is_made_anew_belongs_to_its_backfill,
                a_long_backfill_opens_few_runs_ahead,
            ]
            assets: [
                references_follow_the_newest_version,
                an_event_is_queued_for_those_who_listen,
                a_run_follows_from_its_events_once,
                what_came_before_a_dag_listened_is_no_event_of_its,
                a_dag_that_is_busy_or_has_changed_waits,
                success_is_an_event_of_every_outlet,
            ]
            aliases: [
                an_alias_comes_to_stand_for_assets,
                a_dag_follows_what_came_by_its_alias,
                what_a_try_has_said_goes_with_its_report,
            ]
            instances: [
                instances_are_listed_by_filter_order_and_page,
                an_instance_can_be_annotated,
                every_try_is_kept_and_the_newest_may_be_unfinished,
            ]
            xcoms: [
                a_value_replaces_the_one_before_it,
                values_are_pulled_by_task_and_map_index,
                earlier_runs_stand_in_where_a_run_has_no_value,
                xcoms_are_listed_by_filter_order_and_page,
            ]
            taking: [
                due_dags_are_found_by_their_time,
                a_look_finds_what_there_is_to_do,
                a_dag_at_its_limit_is_not_due,
                a_run_knows_what_came_before_it,
                a_due_run_is_opened_by_one_scheduler_only,
                runs_are_taken_in_order_and_within_their_dags_limits,
                two_schedulers_never_take_the_same_run,
                a_run_that_rests_is_taken_when_its_time_comes,
                a_run_changes_hands_when_its_lease_is_over_or_given_up,
                a_run_is_loaded_with_its_version_its_instances_and_its_policy,
            ]
            changes: [
                a_run_goes_from_its_creation_to_its_end,
                a_move_names_the_state_and_the_try_that_it_leaves,
                moves_of_one_instance_come_in_their_order,
                new_instances_are_as_they_were_asked_for,
                a_settlement_with_a_stale_token_is_refused,
                an_instance_that_is_taken_off_the_queue_needs_no_token,
            ]
            mapping: [
                what_stood_for_all_instances_becomes_the_first_of_them,
                an_instance_keeps_how_much_it_returned_and_what_it_is_called,
            ]
            interventions: [
                an_intervention_overtakes_the_scheduler,
                a_run_does_not_end_over_instances_that_nobody_saw,
                a_finished_run_that_is_cleared_runs_again,
                a_cleared_run_can_change_to_another_version,
                an_instance_goes_with_all_that_it_had,
                what_a_try_decided_against_is_kept_until_the_next_ends,
            ]
            admission: [
                usage_is_what_is_queued_or_running_after_the_batch,
                an_admission_names_the_try_that_it_leaves,
                what_a_batch_makes_it_can_admit,
                no_pool_is_ever_over_its_slots,
            ]
            callbacks: [
                a_callback_is_due_with_the_change_that_causes_it,
                what_is_due_when_a_try_begins_is_due_with_its_claim,
                callbacks_are_claimed_by_age_and_tenants_take_turns,
                the_end_of_a_callback_is_its_workers_to_tell,
                a_callback_whose_worker_is_silent_is_called_again_a_few_times,
                callbacks_go_with_their_run,
            ]
            deadlines: [
                deadlines_come_with_their_run,
                a_deadline_that_is_met_goes_and_one_that_is_missed_stays,
                a_run_that_is_queued_again_has_another_deadline,
            ]
            queue: [
                tries_are_claimed_by_priority_and_then_age,
                a_claim_tells_all_that_a_worker_needs,
                workers_claim_only_from_their_queues,
                tenants_share_workers_fairly,
                two_workers_never_claim_the_same_try,
                a_heartbeat_keeps_a_lease_and_says_when_it_is_gone,
                a_silent_workers_try_is_lost_and_its_late_result_refused,
                a_late_result_is_counted_also_while_its_try_is_settled,
                a_report_waits_for_its_scheduler,
                no_tenants_reports_wait_for_all_of_anothers,
                a_try_can_be_handed_back_before_it_has_begun,
                a_rescheduled_try_goes_on_as_the_same_try,
                a_deferred_try_is_resumed_with_its_state_and_event,
                a_new_try_begins_without_the_xcoms_of_the_one_before,
                a_refused_report_pushes_nothing,
            ]
            triggers: [
                a_resting_run_is_woken_by_the_end_of_a_wait,
                a_trigger_is_looked_at_until_it_fires_once,
                a_trigger_goes_when_its_task_waits_no_more,
                the_end_of_a_run_or_task_makes_triggers_due,
                a_posted_event_wakes_those_who_wait_or_is_kept_for_the_first,
            ]
        }
    };
    (@ $make:path; $($noun:ident: [$($case:ident),* $(,)?])*) => {
        $(mod $noun {
            $(#[tokio::test]
            async fn $case() {
                let store = $make().await;
                $crate::conformance::$noun::$case(&*store).await;
            })*
        })*
    };
}
