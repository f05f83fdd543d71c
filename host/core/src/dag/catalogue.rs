//! What a document's references to operators and pools are checked against.

use std::collections::BTreeMap;
use std::sync::Arc;

use semver::Version;
use serde_json::Value;

use super::ResolvedOperator;
use crate::near::nearest;

/// An operator as a document's check needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogueEntry {
    pub operator: ResolvedOperator,
    /// A JSON Schema of the object of arguments.
    pub arguments_schema: Arc<Value>,
}

/// A reference to an operator that stands for none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UnknownOperator {
    /// References that would be valid and look alike, the nearest first.
    pub near: Vec<String>,
    /// What was found instead: no such name, no such version, all yanked.
    pub reason: String,
}

/// What a tenant has, as of the moment at which a document is checked.
pub trait Catalogue {
    /// `name` (the newest version), `name@1` (the newest 1.x.y), `name@1.2`, `name@1.2.0` or `sha256:...`.
    fn resolve(&self, reference: &str) -> Result<CatalogueEntry, UnknownOperator>;
    fn pool_exists(&self, name: &str) -> bool;
    fn pool_names(&self) -> Vec<String>;
}

/// One version of an operator, on its way into a [`SnapshotCatalogue`].
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorVersion {
    pub entry: CatalogueEntry,
    pub yanked: bool,
}

#[derive(Clone, Debug)]
struct Listed {
    version: Version,
    yanked: bool,
    entry: CatalogueEntry,
}

/// A [`Catalogue`] over lists that the caller has read.
#[derive(Clone, Debug, Default)]
pub struct SnapshotCatalogue {
    /// Newest first.
    by_name: BTreeMap<String, Vec<Listed>>,
    pools: Vec<String>,
}

impl SnapshotCatalogue {
    /// Versions that are not semantic versions are left out: an upload refuses them, so that none is stored.
    pub fn new(operators: impl IntoIterator<Item = OperatorVersion>, pools: impl IntoIterator<Item = String>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
        for OperatorVersion { entry, yanked } in operators {
            if let Ok(version) = Version::parse(&entry.operator.version) {
                by_name.entry(entry.operator.name.clone()).or_default().push(Listed { version, yanked, entry });
            }
        }
        for versions in by_name.values_mut() {
            versions.sort_by(|left, right| right.version.cmp(&left.version));
        }
        Self { by_name, pools: pools.into_iter().collect() }
    }

    fn by_digest(&self, digest: &str) -> Result<&Listed, UnknownOperator> {
        let mut yanked = false;
        for listed in self.by_name.values().flatten() {
            if listed.entry.operator.digest == digest {
                if !listed.yanked {
                    return Ok(listed);
                }
                yanked = true;
            }
        }
        let reason = if yanked {
            format!("the operator with the digest `{digest}` has been yanked")
        } else {
            format!("there is no operator with the digest `{digest}`")
        };
        Err(UnknownOperator { near: Vec::new(), reason })
    }

    fn by_version(&self, name: &str, wanted: Option<&str>) -> Result<&Listed, UnknownOperator> {
        let Some(versions) = self.by_name.get(name) else {
            let near = nearest(name, self.by_name.keys().map(String::as_str));
            return Err(UnknownOperator { near, reason: format!("there is no operator `{name}`") });
        };
        let references = |versions: &[Listed]| -> Vec<String> {
            let live = versions.iter().filter(|listed| !listed.yanked);
            live.take(3).map(|listed| format!("{name}@{}", listed.version)).collect()
        };
        let prefix = match wanted.map(VersionPrefix::parse) {
            None => VersionPrefix::Any,
            Some(Ok(prefix)) => prefix,
            Some(Err(text)) => {
                let reason = format!("`{text}` is no version; valid are `1`, `1.2` and `1.2.0`");
                return Err(UnknownOperator { near: references(versions), reason });
            }
        };
        let matching: Vec<&Listed> = versions.iter().filter(|listed| prefix.matches(&listed.version)).collect();
        if let Some(listed) = matching.iter().find(|listed| !listed.yanked) {
            return Ok(listed);
        }
        let what = wanted.map_or_else(|| format!("`{name}`"), |version| format!("`{name}@{version}`"));
        let reason = if matching.is_empty() {
            format!("the operator `{name}` has no version that {what} stands for")
        } else {
            format!("every version that {what} stands for has been yanked")
        };
        Err(UnknownOperator { near: references(versions), reason })
    }
}

/// What a reference says of the version.
enum VersionPrefix {
    /// The newest release.
    Any,
    Major(u64),
    Minor(u64, u64),
    Exact(Version),
}

impl VersionPrefix {
    fn parse(text: &str) -> Result<Self, &str> {
        let numbers: Option<Vec<u64>> = text.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([major]) => Ok(Self::Major(*major)),
            Some([major, minor]) => Ok(Self::Minor(*major, *minor)),
            _ => Version::parse(text).map(Self::Exact).map_err(|_| text),
        }
    }

    /// A range does not take in pre-releases: nobody gets one who did not name it.
    fn matches(&self, version: &Version) -> bool {
        match self {
            Self::Any => version.pre.is_empty(),
            Self::Major(major) => version.pre.is_empty() && version.major == *major,
            Self::Minor(major, minor) => version.pre.is_empty() && (version.major, version.minor) == (*major, *minor),
            Self::Exact(exact) => version == exact,
        }
    }
}

impl Catalogue for SnapshotCatalogue {
    fn resolve(&self, reference: &str) -> Result<CatalogueEntry, UnknownOperator> {
        let listed = if reference.starts_with("sha256:") {
            self.by_digest(reference)
        } else {
            match reference.split_once('@') {
                Some((name, version)) => self.by_version(name, Some(version)),
                None => self.by_version(reference, None),
            }
        };
        listed.map(|listed| listed.entry.clone())
    }

    fn pool_exists(&self, name: &str) -> bool {
        self.pools.iter().any(|pool| pool == name)
    }

    fn pool_names(&self) -> Vec<String> {
        self.pools.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::OperatorKind;

    fn version(name: &str, version: &str, yanked: bool) -> OperatorVersion {
        let operator = ResolvedOperator {
            name: name.to_owned(),
            version: version.to_owned(),
            digest: format!("sha256:{name}-{version}"),
            kind: OperatorKind::Action,
            template_fields: Vec::new(),
        };
        OperatorVersion { entry: CatalogueEntry { operator, arguments_schema: Arc::new(Value::Bool(true)) }, yanked }
    }

    fn catalogue() -> SnapshotCatalogue {
        let versions = ["1.2.0", "1.10.0", "1.9.3", "2.0.0", "3.0.0-beta.1"];
        let mut operators: Vec<OperatorVersion> =
            versions.into_iter().map(|text| version("sql", text, text == "2.0.0")).collect();
        operators.push(version("bash", "0.1.0", true));
        SnapshotCatalogue::new(operators, ["default_pool".to_owned()])
    }

    #[test]
    fn a_reference_stands_for_the_newest_version_that_it_covers() {
        let catalogue = catalogue();
        let resolved = |reference: &str| catalogue.resolve(reference).unwrap().operator.version;
        assert_eq!(resolved("sql"), "1.10.0", "2.0.0 is yanked, and nobody asked for a pre-release");
        assert_eq!(resolved("sql@1"), "1.10.0");
        assert_eq!(resolved("sql@1.9"), "1.9.3");
        assert_eq!(resolved("sql@1.2.0"), "1.2.0");
        assert_eq!(resolved("sql@3.0.0-beta.1"), "3.0.0-beta.1");
        assert_eq!(resolved("sha256:sql-1.2.0"), "1.2.0");
    }

    #[test]
    fn what_cannot_be_resolved_is_explained() {
        let catalogue = catalogue();
        let refused = |reference: &str| catalogue.resolve(reference).unwrap_err();
        assert_eq!(refused("sqll").near, ["sql"]);
        assert_eq!(refused("sql@7").near, ["sql@3.0.0-beta.1", "sql@1.10.0", "sql@1.9.3"]);
        assert!(refused("sql@2").reason.contains("yanked"));
        assert!(refused("bash").reason.contains("yanked"));
        assert!(refused("sql@new").reason.contains("`new` is no version"));
        assert!(refused("sha256:sql-2.0.0").reason.contains("yanked"));
        assert!(refused("sha256:00").reason.contains("no operator with the digest"));
    }
}
