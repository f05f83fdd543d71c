//! The life of one DAG run: what each event means, as a state machine over data.

mod change;
mod decide;
mod defer;
mod event;
mod expand;
mod finish;
mod machine;
mod past;
mod plan;
mod ready;
mod relatives;
mod rule;
mod settle;
mod tally;
mod timers;
mod transition;
mod unmet;
mod weight;

pub use change::{Move, NewInstance, NewTrigger, RunChange, Settles};
pub use event::{Effect, EndedTry, Event, FinishReason, Instance, RunFacts};
pub use machine::RunMachine;
pub use past::{Past, PastQuery};
pub use plan::Plan;
pub use ready::{ReadyInstance, ReadyTask};
pub use rule::{Counts, Decision, decide};
pub use timers::Rest;
pub use transition::{TRANSITIONS, Transition, diagram, is_allowed};
