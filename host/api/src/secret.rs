//! Sealed values: how rows of connections and variables become readable, and what of them may be shown.

use airlock_core::id::TenantId;
use airlock_core::mask::{MASK, is_sensitive_name, redacted};
use airlock_store::settings::{ConnectionRow, Sealed, SealedKind, VariableRow};
use airlock_vault::{Place, Vault};
use serde_json::{Map, Value};

use crate::extract::Principal;
use crate::problem::{Answer, Problem};
use crate::state::ApiState;

/// The vault, for the rows of one tenant.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    vault: &'a Vault,
    tenant: TenantId,
}

impl<'a> Secrets<'a> {
    pub fn of(state: &'a ApiState, principal: &Principal) -> Self {
        Self { vault: &state.vault, tenant: principal.tenant }
    }
}

impl Secrets<'_> {
    fn place<'b>(&self, kind: SealedKind, name: &'b str) -> Place<'b> {
        Place { tenant: self.tenant.0, kind: kind.as_str(), name }
    }

    fn seal(&self, kind: SealedKind, name: &str, text: &str) -> Answer<Sealed> {
        self.vault.seal(self.place(kind, name), text.as_bytes()).map(Sealed).map_err(Problem::internal)
    }

    fn open(&self, kind: SealedKind, name: &str, sealed: &Sealed) -> Answer<String> {
        self.vault.open_text(self.place(kind, name), &sealed.0).map_err(Problem::internal)
    }

    pub fn seal_variable(&self, key: &str, value: &str) -> Answer<Sealed> {
        self.seal(SealedKind::Variable, key, value)
    }

    pub fn variable(&self, row: &VariableRow) -> Answer<String> {
        self.open(SealedKind::Variable, &row.key, &row.value)
    }

    pub fn seal_password(&self, conn_id: &str, password: Option<&str>) -> Answer<Option<Sealed>> {
        password.map(|password| self.seal(SealedKind::ConnectionPassword, conn_id, password)).transpose()
    }

    pub fn password(&self, row: &ConnectionRow) -> Answer<Option<String>> {
        row.password.as_ref().map(|sealed| self.open(SealedKind::ConnectionPassword, &row.conn_id, sealed)).transpose()
    }

    pub fn seal_extra(&self, conn_id: &str, extra: Option<&Map<String, Value>>) -> Answer<Option<Sealed>> {
        let text = extra.map(serde_json::to_string).transpose().map_err(Problem::internal)?;
        text.map(|text| self.seal(SealedKind::ConnectionExtra, conn_id, &text)).transpose()
    }

    pub fn extra(&self, row: &ConnectionRow) -> Answer<Option<Map<String, Value>>> {
        let text = row
            .extra
            .as_ref()
            .map(|sealed| self.open(SealedKind::ConnectionExtra, &row.conn_id, sealed))
            .transpose()?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(Problem::internal)
    }
}

/// A value as it may be shown: masked where its own name, or the name of a member at any depth, says that it is secret.
pub fn shown(name: &str, value: Value) -> Value {
    let named = Map::from_iter([(name.to_owned(), value)]);
    redacted(&named).remove(name).unwrap_or(Value::Null)
}

/// Puts what was there back where the mask was sent, so that an answer can be edited and sent back.
pub fn merged(name: &str, sent: Value, stored: Option<&Value>) -> Value {
    match (sent, stored) {
        (Value::String(text), Some(stored)) if text == MASK && is_sensitive_name(name) => stored.clone(),
        (Value::Object(members), Some(Value::Object(old))) => members
            .into_iter()
            .map(|(member, value)| {
                let value = merged(&member, value, old.get(&member));
                (member, value)
            })
            .collect(),
        (sent, _) => sent,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_masked_answer_can_be_sent_back() {
        let stored = json!({ "region": "eu", "token": "t", "secret": { "a": "1" }, "nested": { "api_key": "k" } });
        let answer = json!({ "region": "eu", "token": "***", "secret": "***", "nested": { "api_key": "***" } });
        assert_eq!(shown("extra", stored.clone()), answer);
        assert_eq!(merged("", answer, Some(&stored)), stored);
        let edited = json!({ "region": "***", "token": "new" });
        assert_eq!(merged("", edited.clone(), Some(&stored)), edited, "a mask means something only for a secret");
    }

    #[test]
    fn a_secret_name_hides_the_whole_value() {
        assert_eq!(shown("db_password", json!({ "any": [1] })), json!("***"));
        assert_eq!(shown("region", json!("eu")), json!("eu"));
    }
}
