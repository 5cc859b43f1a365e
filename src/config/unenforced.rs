//! What ZooKeeper holds for a cluster and Ottla does not enforce yet: quotas, ACLs, users' passwords, delegation tokens.
//!
//! The rule of [`not_built`](super::not_built) sees the file; these live in ZooKeeper, written by `kafka-configs.sh` or `kafka-acls.sh`
//! perhaps years ago. Where one is set, a broker that passes over it in silence would be open, or unthrottled: so the start is refused by
//! name, or accepted by `ottla.accept.unenforced`; and without that setting a running broker does not write what would keep it from its
//! next start. Whoever builds a feature deletes its row. Pure; `zk::store::unenforced` reads.

use std::collections::BTreeMap;

/// A kind of setting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Rates of users, clients and addresses.
    Quotas,
    /// Who may do what.
    Acls,
    /// Passwords of users (SCRAM).
    ScramUsers,
    /// Tokens in a password's place.
    DelegationTokens,
}

/// What is set, by kind: entities, as `users/alice` or `Topic:orders`.
pub type Unenforced = BTreeMap<Kind, Vec<String>>;

/// A kind that is not enforced yet.
struct Row {
    kind: Kind,
    /// What happens without it.
    without: &'static str,
}

const ROWS: &[Row] = &[
    Row { kind: Kind::Quotas, without: "clients would go unthrottled" },
    Row { kind: Kind::Acls, without: "every request would be allowed" },
    Row { kind: Kind::ScramUsers, without: "users could not log in, and everybody else could come without a password" },
    Row { kind: Kind::DelegationTokens, without: "nobody could log in with one" },
];

/// Names told before "and N more".
const TOLD: usize = 5;

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Quotas, Kind::Acls, Kind::ScramUsers, Kind::DelegationTokens];

    /// In messages, and as the label of the metric.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Quotas => "quotas",
            Kind::Acls => "ACLs",
            Kind::ScramUsers => "SCRAM users",
            Kind::DelegationTokens => "delegation tokens",
        }
    }

    /// Ottla enforces it: nothing to refuse.
    pub fn is_enforced(self) -> bool {
        ROWS.iter().all(|row| row.kind != self)
    }

    /// Of a key in the configuration of a user, a client or an address.
    pub fn of_key(key: &str) -> Self {
        if key.starts_with("SCRAM-") { Kind::ScramUsers } else { Kind::Quotas }
    }
}

/// A line for each kind that is set and not enforced: what is set, and what would happen.
pub fn findings(found: &Unenforced) -> Vec<String> {
    let told = |row: &Row| {
        let names = found.get(&row.kind).filter(|names| !names.is_empty())?;
        let more = names.len().saturating_sub(TOLD);
        let mut list = names.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
        if more > 0 {
            list.push_str(&format!(" and {more} more"));
        }
        Some(format!("ZooKeeper holds {} ({list}), which Ottla does not enforce yet: {}", row.kind.name(), row.without))
    };
    ROWS.iter().filter_map(told).collect()
}

/// Why a broker does not set anything of the kind; none when it is enforced.
pub fn refusal(kind: Kind) -> Option<String> {
    let row = ROWS.iter().find(|row| row.kind == kind)?;
    Some(format!(
        "Ottla does not enforce {} yet: {}, and no broker would start again. It only sets them when it was started with \
         --accept-unenforced (ottla.accept.unenforced=true); removing them is allowed.",
        kind.name(),
        row.without
    ))
}

/// What an operator can do about [`findings`].
pub const ADVICE: &str =
    "Remove them, or start with --accept-unenforced (ottla.accept.unenforced=true) to go on without them.";
