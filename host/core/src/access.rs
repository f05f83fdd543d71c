//! Who may do what: Airflow's roles, and what each of them may do to each kind of thing.
//!
//! One constant table, as Airflow's auth manager has it: reading what runs is for viewers, running it is for users, the
//! settings that tasks depend on are for operators of the system, and people and policies are for administrators.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::state::{UnknownName, names};

names! {
    /// Airflow's roles, each with all that the one before it may do.
    Role, "role", {
        Viewer = "viewer",
        User = "user",
        Op = "op",
        Admin = "admin",
    }
}

names! {
    Action, "action", {
        /// Includes listing.
        Read = "read",
        /// Makes something new, runs something, or sends something in.
        Create = "create",
        Update = "update",
        Delete = "delete",
    }
}

names! {
    /// The kinds of things that the API gives access to, by Airflow's words where it has them.
    Resource, "resource", {
        Dag = "dag",
        DagSource = "dag_source",
        DagVersion = "dag_version",
        DagRun = "dag_run",
        TaskInstance = "task_instance",
        TaskLog = "task_log",
        XCom = "xcom",
        Asset = "asset",
        Event = "event",
        Operator = "operator",
        Pool = "pool",
        Variable = "variable",
        Connection = "connection",
        Grant = "grant",
        Configuration = "configuration",
        Job = "job",
        AuditLog = "audit_log",
        Usage = "usage",
        Quota = "quota",
        /// One's own tokens. Everybody may have some, with at most the own role.
        OwnToken = "own_token",
        /// Tokens of others.
        Token = "token",
        User = "user",
        Tenant = "tenant",
    }
}

/// The least role for reading, creating, updating and deleting; none where nobody may by role alone.
type Row = (Resource, [Option<Role>; 4]);

const VIEWER: Option<Role> = Some(Role::Viewer);
const USER: Option<Role> = Some(Role::User);
const OP: Option<Role> = Some(Role::Op);
const ADMIN: Option<Role> = Some(Role::Admin);
/// Only a platform administrator, who is no role but a property of a user of the first tenant.
const NOBODY: Option<Role> = None;

#[rustfmt::skip]
const TABLE: &[Row] = &[
    //                         read    create  update  delete
    (Resource::Dag,           [VIEWER, USER,   USER,   USER]),
    (Resource::DagSource,     [VIEWER, NOBODY, NOBODY, NOBODY]),
    (Resource::DagVersion,    [VIEWER, NOBODY, NOBODY, NOBODY]),
    (Resource::DagRun,        [VIEWER, USER,   USER,   USER]),
    (Resource::TaskInstance,  [VIEWER, USER,   USER,   USER]),
    (Resource::TaskLog,       [VIEWER, NOBODY, NOBODY, NOBODY]),
    (Resource::XCom,          [VIEWER, USER,   USER,   USER]),
    (Resource::Asset,         [VIEWER, OP,     OP,     OP]),
    (Resource::Event,         [VIEWER, NOBODY, NOBODY, NOBODY]),
    // A module is code that runs with the tenant's grants: uploading one is more than running what is there.
    (Resource::Operator,      [VIEWER, OP,     OP,     OP]),
    (Resource::Pool,          [VIEWER, OP,     OP,     OP]),
    (Resource::Variable,      [OP,     OP,     OP,     OP]),
    (Resource::Connection,    [OP,     OP,     OP,     OP]),
    (Resource::Grant,         [OP,     ADMIN,  ADMIN,  ADMIN]),
    (Resource::Configuration, [OP,     NOBODY, NOBODY, NOBODY]),
    (Resource::Job,           [VIEWER, NOBODY, NOBODY, NOBODY]),
    (Resource::AuditLog,      [OP,     NOBODY, NOBODY, NOBODY]),
    (Resource::Usage,         [VIEWER, NOBODY, NOBODY, NOBODY]),
    (Resource::Quota,         [VIEWER, NOBODY, NOBODY, NOBODY]),
    (Resource::OwnToken,      [VIEWER, VIEWER, NOBODY, VIEWER]),
    (Resource::Token,         [ADMIN,  ADMIN,  NOBODY, ADMIN]),
    (Resource::User,          [ADMIN,  ADMIN,  ADMIN,  ADMIN]),
    (Resource::Tenant,        [VIEWER, NOBODY, NOBODY, NOBODY]),
];

/// The least role that may do this; none if no role may.
pub fn required_role(action: Action, resource: Resource) -> Option<Role> {
    let column = match action {
        Action::Read => 0,
        Action::Create => 1,
        Action::Update => 2,
        Action::Delete => 3,
    };
    TABLE.iter().find(|(row, _)| *row == resource).and_then(|(_, roles)| roles.get(column).copied().flatten())
}

/// Whether a role may do this.
pub fn allowed(role: Role, action: Action, resource: Resource) -> bool {
    required_role(action, resource).is_some_and(|required| role >= required)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_resource_once() {
        let rows: Vec<Resource> = TABLE.iter().map(|(resource, _)| *resource).collect();
        assert_eq!(rows, Resource::ALL, "in the order of declaration, so that a gap is easy to see");
    }

    #[test]
    fn each_role_may_do_what_the_one_before_it_may() {
        for pair in Role::ALL.windows(2) {
            for action in Action::ALL {
                for resource in Resource::ALL {
                    assert!(!allowed(pair[0], *action, *resource) || allowed(pair[1], *action, *resource));
                }
            }
        }
    }

    #[test]
    fn the_roles_are_those_that_people_know_from_airflow() {
        assert!(allowed(Role::Viewer, Action::Read, Resource::TaskLog));
        assert!(!allowed(Role::Viewer, Action::Create, Resource::DagRun));
        assert!(allowed(Role::User, Action::Create, Resource::DagRun));
        assert!(!allowed(Role::User, Action::Read, Resource::Connection));
        assert!(allowed(Role::Op, Action::Update, Resource::Pool));
        assert!(!allowed(Role::Op, Action::Read, Resource::User));
        assert!(allowed(Role::Admin, Action::Create, Resource::User));
        assert!(!allowed(Role::Admin, Action::Create, Resource::Tenant), "tenants are for platform administrators");
        assert!(!allowed(Role::Admin, Action::Update, Resource::TaskLog), "history is written by nobody");
    }
}
