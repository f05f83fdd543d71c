//! What goes wrong.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::processes::Processes;
use crate::world::World;

/// Waits a little, and lets something go wrong.
pub async fn next(world: &Arc<World>, processes: &mut Processes) {
    let pause = world.dice(|dice| dice.u64(100..6_000));
    tokio::time::sleep(Duration::from_millis(pause)).await;
    let (kind, number, milliseconds) =
        world.dice(|dice| (dice.u8(..11), dice.usize(..processes.all.len()), dice.u64(100..40_000)));
    let (line, duration) = (processes.all[number].line.clone(), Duration::from_millis(milliseconds));
    world.book().faults += 1;
    match kind {
        0..=2 => {
            world.note(|| format!("{} is killed", line.name));
            processes.kill(world, number);
        }
        3 => {
            world.note(|| format!("{} is asked to stop", line.name));
            processes.terminate(world, number);
        }
        4..=6 => {
            world.note(|| format!("{} stands still for {duration:?}", line.name));
            line.stop_for(duration);
        }
        7 | 8 => {
            world.note(|| format!("{} cannot reach the database for {duration:?}", line.name));
            line.cut_for(duration);
        }
        9 => {
            world.note(|| format!("nobody can reach the database for {duration:?}"));
            processes.all.iter().for_each(|process| process.line.cut_for(duration));
        }
        _ => {
            let skew = TimeDelta::milliseconds(world.dice(|dice| dice.i64(-60_000..60_000)));
            world.note(|| format!("the clock of {} is wrong by {skew}", line.name));
            world.book().clocks_agree = false;
            line.set_skew(skew);
        }
    }
}
