//! Which tasks belong together when people name some of them.

use std::collections::HashSet;

use super::plan::Plan;

impl Plan {
    /// What is cleared together with these tasks, themselves not counted unless one is a relative of another: everything upstream
    /// or downstream as asked, and the setups and teardowns without which the rest could not run. As Airflow's
    /// `partial_subset` does.
    pub fn cleared_with<'a>(
        &self,
        task_ids: impl IntoIterator<Item = &'a str>,
        upstream: bool,
        downstream: bool,
    ) -> HashSet<&str> {
        let named: Vec<usize> = task_ids.into_iter().filter_map(|task_id| self.number(task_id)).collect();
        let mut found = HashSet::new();
        if downstream {
            let below = self.all_downstream(named.iter().copied());
            for &task in below.iter().filter(|task| !named.contains(task) && !self.is_setup_or_teardown(**task)) {
                found.extend(self.setups_of(task));
            }
            found.extend(below);
        }
        for &task in &named {
            if upstream {
                let above = self.all_upstream(task);
                let teardowns = above.iter().flat_map(|above| self.teardowns_of(*above)).filter(|end| *end != task);
                found.extend(teardowns.collect::<Vec<_>>());
                found.extend(above);
            } else if !self.is_setup_or_teardown(task) {
                found.extend(self.setups_of(task));
            }
            if !downstream {
                found.extend(self.teardowns_of(task));
            }
        }
        found.into_iter().map(|number| self.task(number).task_id.as_str()).collect()
    }

    fn is_setup_or_teardown(&self, task: usize) -> bool {
        self.task(task).is_setup || self.task(task).is_teardown
    }

    /// The setups above a task whose teardowns are below it (or that have none), and these teardowns.
    fn setups_of(&self, task: usize) -> Vec<usize> {
        let below = self.all_downstream([task]);
        let mut found = Vec::new();
        for setup in self.all_upstream(task).into_iter().filter(|above| self.task(*above).is_setup) {
            let teardowns = self.teardowns_of(setup);
            if teardowns.is_empty() || teardowns.iter().any(|end| below.contains(end)) {
                found.push(setup);
                found.extend(teardowns.into_iter().filter(|end| *end != task));
            }
        }
        found
    }

    /// None unless the task is a setup.
    fn teardowns_of(&self, task: usize) -> Vec<usize> {
        let next: &[usize] = if self.task(task).is_setup { &self.tasks[task].downstream } else { &[] };
        next.iter().copied().filter(|next| self.task(*next).is_teardown).collect()
    }
}
