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
        let named: HashSet<usize> = task_ids.into_iter().filter_map(|task_id| self.number(task_id)).collect();
        let mut found = HashSet::new();
        // What is to run needs its setups; where everything upstream comes along, they do anyway.
        let mut needy = if upstream { HashSet::new() } else { named.clone() };
        if downstream {
            let below = self.all_downstream(named.iter().copied());
            needy.extend(below.difference(&named));
            found.extend(below);
        }
        needy.retain(|task| !self.is_setup_or_teardown(*task));
        found.extend(self.setups_around(&needy));
        for &task in &named {
            if upstream {
                let above = self.all_upstream(task);
                found.extend(above.iter().flat_map(|above| self.teardowns_of(*above)).filter(|end| *end != task));
                found.extend(above);
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

    /// The setups above any of these tasks whose teardowns are below it (or that have none), and these teardowns.
    fn setups_around(&self, tasks: &HashSet<usize>) -> HashSet<usize> {
        let mut found = HashSet::new();
        for setup in (0..self.tasks.len()).filter(|task| self.task(*task).is_setup) {
            let teardowns: Vec<usize> = self.teardowns_of(setup).collect();
            let after = self.all_downstream([setup]);
            let before: HashSet<usize> = teardowns.iter().flat_map(|end| self.all_upstream(*end)).collect();
            let is_within = |task: &usize| after.contains(task) && (teardowns.is_empty() || before.contains(task));
            if tasks.iter().any(is_within) {
                found.insert(setup);
                found.extend(teardowns);
            }
        }
        found
    }

    /// None unless the task is a setup.
    fn teardowns_of(&self, task: usize) -> impl Iterator<Item = usize> {
        let next: &[usize] = if self.task(task).is_setup { &self.tasks[task].downstream } else { &[] };
        next.iter().copied().filter(|next| self.task(*next).is_teardown)
    }
}
