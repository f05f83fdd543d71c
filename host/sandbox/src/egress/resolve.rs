//! From a name to the addresses that a connection goes to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use airlock_core::limits::Egress;
use async_trait::async_trait;

use super::check_address;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The policy; the text names the rule.
    #[error("{0}")]
    Denied(String),
    /// The name does not resolve.
    #[error("{0}")]
    Dns(String),
}

/// Turns names into addresses.
#[async_trait]
pub trait Resolver: Send + Sync {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The one way out: what connects on behalf of a tenant gets its addresses here.
#[derive(Clone)]
pub struct Gate {
    resolver: Arc<dyn Resolver>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(Arc::new(SystemResolver))
    }
}

impl Gate {
    #[must_use]
    pub fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver }
    }

    /// Resolves `host` once and checks every address. Connect to the addresses returned and to nothing else: resolving
    /// again may give others. The allow-list of names is not asked here ([`super::check_host`]), since a connection that an
    /// administrator made needs no entry there.
    ///
    /// One forbidden address refuses the name as a whole: an answer that mixes public and private addresses is how a
    /// rebinding attack looks.
    ///
    /// # Errors
    /// [`EgressError::Denied`] names the host, the address and the rule; [`EgressError::Dns`] names the host.
    pub async fn resolve_and_check(
        &self,
        host: &str,
        port: u16,
        egress: &Egress,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let addresses = match name.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self
                .resolver
                .resolve(name)
                .await
                .map_err(|error| EgressError::Dns(format!("cannot resolve host `{name}`: {error}")))?,
        };
        if addresses.is_empty() {
            return Err(EgressError::Dns(format!("host `{name}` has no address")));
        }
        for &address in &addresses {
            check_address(egress, address)
                .map_err(|refusal| EgressError::Denied(format!("cannot connect to `{name}`: {refusal}")))?;
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers what the test says, and counts how often it is asked.
    struct Answers(Vec<&'static str>, AtomicUsize);

    #[async_trait]
    impl Resolver for Answers {
        async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Ok(self.0.iter().map(|address| address.parse().unwrap()).collect())
        }
    }

    async fn resolve(answers: &[&'static str], host: &str, networks: &[&str]) -> Result<Vec<SocketAddr>, EgressError> {
        let egress = Egress {
            allow_hosts: Vec::new(),
            allow_networks: networks.iter().map(|&network| network.to_owned()).collect(),
        };
        let resolver = Arc::new(Answers(answers.to_vec(), AtomicUsize::new(0)));
        let answer = Gate::new(resolver.clone()).resolve_and_check(host, 443, &egress).await;
        assert!(resolver.1.load(Ordering::SeqCst) <= 1, "a name is resolved once");
        answer
    }

    #[tokio::test]
    async fn public_answers_become_the_addresses_to_connect_to() {
        assert_eq!(
            resolve(&["1.1.1.1", "2606:4700::1111"], "one.example", &[]).await.unwrap(),
            ["1.1.1.1:443".parse().unwrap(), "[2606:4700::1111]:443".parse().unwrap()]
        );
    }

    #[tokio::test]
    async fn one_private_answer_refuses_the_name() {
        let refusal = resolve(&["1.1.1.1", "10.0.0.5"], "rebind.example", &[]).await.unwrap_err();
        let EgressError::Denied(message) = refusal else { panic!("{refusal:?}") };
        assert!(message.contains("rebind.example") && message.contains("10.0.0.5"), "{message}");
        assert!(resolve(&["1.1.1.1", "10.0.0.5"], "rebind.example", &["10.0.0.0/24"]).await.is_ok());
    }

    #[tokio::test]
    async fn literal_addresses_need_no_resolver_and_are_checked_too() {
        assert!(matches!(resolve(&[], "127.0.0.1", &[]).await, Err(EgressError::Denied(_))));
        assert!(matches!(resolve(&[], "[::1]", &[]).await, Err(EgressError::Denied(_))));
        assert_eq!(resolve(&[], "[::1]", &["::1/128"]).await.unwrap(), ["[::1]:443".parse().unwrap()]);
    }

    #[tokio::test]
    async fn no_address_is_a_fault_of_dns() {
        assert!(matches!(resolve(&[], "nowhere.example", &[]).await, Err(EgressError::Dns(_))));
    }

    #[tokio::test]
    async fn the_system_resolver_knows_this_machine() {
        let egress = Egress::default();
        assert!(matches!(
            Gate::default().resolve_and_check("localhost", 80, &egress).await,
            Err(EgressError::Denied(_))
        ));
    }
}
