//! Client quotas: filters, alterations, and numbers as Java writes them.

use ottla::admin::AdminError;
use ottla::admin::quota::{Entity, Filter, Match, Name, apply, entity, values_of};
use ottla::base::ErrorCode;
use ottla::config::ConfigMap;

fn name(text: &str) -> Name {
    Some(text.into())
}

fn of(user: Option<Name>, client: Option<Name>) -> Entity {
    Entity { user, client, ip: None }
}

fn filter(components: &[(&str, Match)], strict: bool) -> Filter {
    Filter::new(components.iter().map(|(t, m)| ((*t).into(), m.clone())).collect(), strict).expect("valid")
}

#[test]
fn a_loose_filter_lets_other_components_pass() {
    let loose = filter(&[("user", Match::Exact(name("bob")))], false);
    assert!(loose.lets(&of(Some(name("bob")), None)));
    assert!(loose.lets(&of(Some(name("bob")), Some(name("app")))));
    assert!(!loose.lets(&of(Some(name("ann")), None)));
    assert!(!loose.lets(&of(Some(None), None)));
    assert!(!loose.lets(&of(None, Some(name("bob")))));
    let strict = filter(&[("user", Match::Exact(name("bob")))], true);
    assert!(strict.lets(&of(Some(name("bob")), None)));
    assert!(!strict.lets(&of(Some(name("bob")), Some(name("app")))));
}

#[test]
fn any_takes_the_default_too_and_default_only_itself() {
    let any = filter(&[("client-id", Match::Any)], true);
    assert!(any.lets(&of(None, Some(None))) && any.lets(&of(None, Some(name("app")))));
    let default = filter(&[("client-id", Match::Exact(None))], true);
    assert!(default.lets(&of(None, Some(None))) && !default.lets(&of(None, Some(name("app")))));
}

#[test]
fn an_empty_filter_shows_all_and_an_empty_strict_one_nothing() {
    let ip = Entity { ip: Some(name("10.0.0.1")), ..Entity::default() };
    assert!(filter(&[], false).lets(&ip) && filter(&[], false).lets(&of(Some(None), Some(None))));
    assert!(!filter(&[], true).lets(&ip) && !filter(&[], true).lets(&of(Some(None), None)));
    assert!(filter(&[("ip", Match::Any)], false).lets(&ip));
    assert!(!filter(&[("user", Match::Any)], false).lets(&ip));
}

#[test]
fn contradictory_filters_have_kafkas_words() {
    let refused = |components: &[&str]| {
        let components = components.iter().map(|t| ((*t).to_string(), Match::Any)).collect();
        Filter::new(components, false).expect_err("refused")
    };
    assert_eq!(refused(&["user", "user"]).to_string(), "Duplicate user filter component entity type");
    assert_eq!(refused(&["client-id", "client-id"]).to_string(), "Duplicate client filter component entity type");
    assert_eq!(refused(&[""]).code(), ErrorCode::InvalidRequest);
    assert_eq!(
        refused(&["shoe"]).answer(),
        (ErrorCode::UnsupportedVersion, Some("Custom entity type 'shoe' not supported".into()))
    );
    assert_eq!(refused(&["ip", "user"]).code(), ErrorCode::InvalidRequest);
}

fn bob() -> Entity {
    of(Some(name("bob")), None)
}

#[test]
fn recorded_alteration_gives_the_recorded_znode() {
    let ops = [
        ("request_percentage".to_string(), Some(50.0)),
        ("producer_byte_rate".to_string(), Some(1024.0)),
        ("consumer_byte_rate".to_string(), Some(2048.0)),
    ];
    let map = apply(&bob(), ConfigMap::new(), &ops).expect("applied");
    let text: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(text, ["consumer_byte_rate=2048", "producer_byte_rate=1024", "request_percentage=50.0"]);
    let values = values_of(&bob(), &map).expect("numbers");
    assert_eq!(values["producer_byte_rate"], 1024.0);
}

#[test]
fn values_off_their_type_are_refused() {
    let refused = |entity: &Entity, key: &str, value: f64| {
        apply(entity, ConfigMap::new(), &[(key.into(), Some(value))]).expect_err("refused").to_string()
    };
    assert_eq!(refused(&bob(), "producer_byte_rate", 1.5), "Configuration producer_byte_rate must be a LONG value");
    assert_eq!(
        refused(&bob(), "producer_byte_rate", f64::NAN),
        "Configuration producer_byte_rate must be a LONG value"
    );
    assert_eq!(refused(&bob(), "nope", 1.0), "Invalid configuration key nope");
    assert_eq!(refused(&bob(), "SCRAM-SHA-256", 1.0), "Invalid configuration key SCRAM-SHA-256");
    let ip = Entity { ip: Some(name("10.0.0.1")), ..Entity::default() };
    assert_eq!(refused(&ip, "producer_byte_rate", 1.0), "Invalid configuration key producer_byte_rate");
    assert_eq!(
        refused(&ip, "connection_creation_rate", 1e12),
        "Configuration connection_creation_rate must be a INT value"
    );
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let stored = ConfigMap::from([("SCRAM-SHA-256".into(), "x".into())]);
    assert_eq!(apply(&bob(), stored.clone(), &[("producer_byte_rate".into(), None)]).expect("applied"), stored);
    assert!(values_of(&bob(), &stored).expect("numbers").is_empty());
}

#[test]
fn a_stored_value_that_is_no_number_is_an_error_of_the_server() {
    let stored = ConfigMap::from([("producer_byte_rate".into(), "fast".into())]);
    let error = values_of(&bob(), &stored).expect_err("corrupt");
    assert!(matches!(error, AdminError::Corrupt(_)));
    assert_eq!(error.answer(), (ErrorCode::UnknownServerError, None));
}

#[test]
fn entities_are_checked_as_kafka_does() {
    let refused = |components: &[(&str, Name)]| {
        let components: Vec<(String, Name)> = components.iter().map(|(t, n)| ((*t).into(), n.clone())).collect();
        entity(&components).expect_err("refused").to_string()
    };
    assert_eq!(refused(&[]), "Invalid empty client quota entity");
    assert_eq!(refused(&[("shoe", None)]), "Unhandled client quota entity type: shoe");
    assert_eq!(refused(&[("user", name(""))]), "Empty user not supported");
    assert_eq!(
        refused(&[("ip", None), ("user", None)]),
        "Invalid quota entity combination, IP entity should not be used with user/client ID entity."
    );
    let both = entity(&[("client-id".into(), name("app")), ("user".into(), None)]).expect("valid");
    assert_eq!(both, of(Some(None), Some(name("app"))));
}
