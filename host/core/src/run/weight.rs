//! Effective priority weights.

use crate::dag::Dag;
use crate::state::WeightRule;

/// The weight of each task by its own rule over base weights: its own, plus that of every task downstream (or upstream) of it,
/// each once. Clamped to 32 bits, as in Airflow.
///
/// `upstream` and `downstream` are adjacent tasks by index; `order` is a topological order.
pub fn effective_weights(dag: &Dag, upstream: &[Vec<usize>], downstream: &[Vec<usize>], order: &[usize]) -> Vec<i64> {
    let base: Vec<i64> = dag.tasks.iter().map(|task| i64::from(task.priority_weight)).collect();
    let uses = |rule| dag.tasks.iter().any(|task| task.weight_rule == rule);
    let sums = |rule, adjacent: &[Vec<usize>], order: &mut dyn Iterator<Item = usize>| {
        if uses(rule) { reachable_sums(&base, adjacent, &order.collect::<Vec<_>>()) } else { Vec::new() }
    };
    let below = sums(WeightRule::Downstream, downstream, &mut order.iter().rev().copied());
    let above = sums(WeightRule::Upstream, upstream, &mut order.iter().copied());
    let own = |(index, task): (usize, &crate::dag::Task)| {
        let weight = match task.weight_rule {
            WeightRule::Absolute => base[index],
            WeightRule::Downstream => below[index],
            WeightRule::Upstream => above[index],
        };
        weight.clamp(i64::from(i32::MIN), i64::from(i32::MAX))
    };
    dag.tasks.iter().enumerate().map(own).collect()
}

/// For each node the sum over itself and all that can be reached from it. `order` names adjacent nodes before those that lead to
/// them. Sixty-four targets at a time share one pass, so that memory stays linear in the size of the DAG.
fn reachable_sums(base: &[i64], adjacent: &[Vec<usize>], order: &[usize]) -> Vec<i64> {
    let mut sums = vec![0_i64; base.len()];
    let mut reached = vec![0_u64; base.len()];
    for (block, weights) in base.chunks(64).enumerate() {
        let first = block * 64;
        let equal = weights.iter().all(|weight| *weight == weights[0]);
        for &node in order {
            let own = if (first..first + weights.len()).contains(&node) { 1 << (node - first) } else { 0 };
            let bits = adjacent[node].iter().fold(own, |bits, next| bits | reached[*next]);
            reached[node] = bits;
            sums[node] += if equal {
                i64::from(bits.count_ones()) * weights[0]
            } else {
                weights.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, weight)| weight).sum()
            };
        }
    }
    sums
}
