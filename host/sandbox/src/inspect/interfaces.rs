//! Which interfaces this host has, and what is said of those that it has not.

/// A package of interfaces, and the versions of it that this host serves: those with the same major and minor number.
struct Package {
    name: &'static str,
    version: (u64, u64),
    interfaces: &'static [&'static str],
}

const PACKAGES: &[Package] = &[
    Package {
        name: "airlock:operator",
        version: (0, 1),
        interfaces: &[
            "assets",
            "connections",
            "context",
            "dag-runs",
            "http",
            "log",
            "object-store",
            "sql",
            "types",
            "variables",
            "xcom",
        ],
    },
    Package {
        name: "wasi:cli",
        version: (0, 2),
        interfaces: &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    },
    Package { name: "wasi:clocks", version: (0, 2), interfaces: &["monotonic-clock", "wall-clock"] },
    Package { name: "wasi:filesystem", version: (0, 2), interfaces: &["preopens", "types"] },
    Package { name: "wasi:http", version: (0, 2), interfaces: &["outgoing-handler", "types"] },
    Package { name: "wasi:io", version: (0, 2), interfaces: &["error", "poll", "streams"] },
    Package { name: "wasi:random", version: (0, 2), interfaces: &["insecure", "insecure-seed", "random"] },
];

/// The interface by which a component is an operator.
pub(super) const TASK: &str = "task";
const OPERATOR: &str = "airlock:operator";

/// `package/interface@version`, taken apart.
pub(super) struct Name<'a> {
    pub(super) package: &'a str,
    pub(super) interface: &'a str,
    pub(super) version: Option<semver::Version>,
}

impl<'a> Name<'a> {
    /// None for a name of another form, such as a plain function's.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let (interface, version) = match rest.split_once('@') {
            Some((interface, version)) => (interface, Some(semver::Version::parse(version).ok()?)),
            None => (rest, None),
        };
        Some(Self { package, interface, version })
    }

    /// Whether this is the export that makes a component an operator for this host.
    pub(super) fn is_task(&self) -> bool {
        self.package == OPERATOR && self.interface == TASK && self.version_fits((0, 1))
    }

    fn version_fits(&self, (major, minor): (u64, u64)) -> bool {
        self.version.as_ref().is_some_and(|version| version.major == major && version.minor == minor)
    }
}

/// What is wrong with an import of this name, and what would be right; none if the host has it.
pub(super) fn fault(name: &str) -> Option<String> {
    let Some(parsed) = Name::parse(name) else {
        return Some(
            "it is no interface of a package; an operator imports interfaces of `airlock:operator` and WASI 0.2"
                .to_owned(),
        );
    };
    let Some(package) = PACKAGES.iter().find(|package| package.name == parsed.package) else {
        if parsed.package == "wasi:sockets" {
            return Some(
                "operators have no sockets: reach the network through `airlock:operator/http`, `sql` or `object-store`, or through `wasi:http`"
                    .to_owned(),
            );
        }
        let known: Vec<_> = PACKAGES.iter().map(|package| package.name).collect();
        return Some(format!("this host has no package `{}`; it has {}", parsed.package, known.join(", ")));
    };
    if !package.interfaces.contains(&parsed.interface) {
        let known = package.interfaces.join(", ");
        return Some(format!(
            "the package `{}` has no interface `{}` here; it has {known}",
            package.name, parsed.interface
        ));
    }
    if !parsed.version_fits(package.version) {
        let (major, minor) = package.version;
        return Some(format!("this host has version {major}.{minor}.x of `{}`: build against that", package.name));
    }
    None
}
