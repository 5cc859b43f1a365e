//! The links between the nodes of a run, and what is done to them: packets that don't come, or come late.
//!
//! | file | what |
//! |---|---|
//! | `namespaces` | a network of the run's own, cut by iptables and slowed by tc: where the system allows that |
//! | `proxies` | a proxy a link, on the loopback device: where it does not |
//! | `rules` | what becomes of bytes there, by what is done to the links |

pub mod namespaces;
pub mod proxies;
pub mod rules;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use super::options::Network;

/// Which packets a node does not get or send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Neither.
    Both,
    /// Those that come in.
    In,
    /// Those that go out.
    Out,
}

/// The network of a run.
pub trait Net: Send + Sync {
    /// Where a node listens, for other nodes.
    fn address(&self, node: &str) -> Ipv4Addr;

    /// Where clients find it: there too, unless their link has a place of its own.
    fn address_for_clients(&self, node: &str) -> Ipv4Addr {
        self.address(node)
    }

    /// The words in front of a command that run it on a node. What runs keeps its process id.
    fn enter(&self, node: &str) -> Vec<String>;

    /// Cuts a node off from others. It keeps what was cut before.
    fn cut(&self, node: &str, from: &[Ipv4Addr], way: Way);

    /// So many packets of a hundred that come to a node are lost.
    fn lose(&self, node: &str, percent: u32);

    /// A node sends no faster than this.
    fn slow(&self, node: &str, kbit: u32);

    /// Undoes all of the above at a node; how often something was held back there.
    fn heal(&self, node: &str) -> u64;
}

/// Which one a run has: the one that is asked for, or namespaces where they can be made. Does not return where this program has to run
/// again inside them.
pub fn choose(asked: Option<Network>) -> Network {
    match asked {
        Some(Network::Proxies) => return Network::Proxies,
        None if !namespaces::is_inside() && namespaces::way_in().is_none() => {
            println!("no namespaces can be made here: links are proxies");
            return Network::Proxies;
        }
        Some(Network::Namespaces) | None => {}
    }
    namespaces::enter();
    Network::Namespaces
}

/// Makes it. Once a process. `shim` is the library that sends a node's connections to its proxies.
///
/// # Panics
/// What it needs is not there.
pub fn build(network: Network, nodes: &[String], shim: Option<&Path>) -> Arc<dyn Net> {
    match network {
        Network::Namespaces => Arc::new(namespaces::Namespaces::build(nodes)),
        Network::Proxies => {
            let shim = shim.expect("--shim, below which connections go through proxies; scripts/torture.sh gives it");
            Arc::new(proxies::Proxies::build(nodes, shim))
        }
    }
}
