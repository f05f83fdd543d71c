//! Bodies and answers on the wire. Those of Airflow's paths have exactly its members: its clients refuse others.

mod asset;
mod backfill;
mod clear;
mod connection;
mod dag;
mod dag_run;
mod dag_version;
mod event_log;
mod operator;
mod pool;
mod schedule;
mod task;
mod task_instance;
mod tenant;
mod time;
mod variable;
mod xcom;

pub use asset::*;
pub use backfill::*;
pub use clear::*;
pub use connection::*;
pub use dag::*;
pub use dag_run::*;
pub use dag_version::*;
pub use event_log::*;
pub use operator::*;
pub use pool::*;
pub use schedule::*;
pub use task::*;
pub use task_instance::*;
pub use tenant::*;
pub use time::*;
pub use variable::*;
pub use xcom::*;
