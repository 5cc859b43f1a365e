//! SCRAM credentials: the recorded request of Kafka's tool must give the znode that Apache Kafka wrote.

use ottla::admin::scram::{Deletion, Mechanism, Upsertion, apply, credential_text, describe, iterations_of, screen};
use ottla::base::ErrorCode;
use ottla::config::ConfigMap;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

const SALT_512: &[u8] = b"1aacapuqvbf5ttyrsmoy6j3zb2";
const SALTED_512: &str = "c3a064b1daba16c22600e23ccf68c3b8ae92ccd7623e12d4b330de8b4b96bab4\
                          a2f4c31400f36a3687559f3fa463c9a8b711c5c7bb0714114152c6cd3d821f41";
const STORED_512: &str = "salt=MWFhY2FwdXF2YmY1dHR5cnNtb3k2ajN6YjI=,stored_key=MNXzkT52Fj3KUpolPmfYtGZqVYgkW9f+dud/\
                          XtxNiYc5oRaYlyuIMvtNshiPu695wzxX4M/IzVZakVCv4SGFjQ==,server_key=n504VHJ16pkoGYTmh9dmF1PMaF\
                          nbKUgtra3Us1wU3EMhTaprGK8bgCY4gDVpbSIAmGWlh0JMPIU3du1rONlCBQ==,iterations=4096";
const SALT_256: &[u8] = b"vqj5wyz91l1psahkwon2s8ai4";
const SALTED_256: &str = "3d6dde822fc25d8f28b2756cb1e841ad052f169faa14ede07b205203f4e69b42";
const STORED_256: &str = "salt=dnFqNXd5ejkxbDFwc2Foa3dvbjJzOGFpNA==,stored_key=WwfVdjI/PU/cYL1J17EjqfxHg9vF2oUsecbFzc\
                          NYygY=,server_key=P+XfV9I32E7xHFVYiwbRg+DBUmdwHuiPkuMyd1SbPL4=,iterations=8192";

fn upsertion(user: &str, mechanism: i8, iterations: i32) -> Upsertion {
    Upsertion { user: user.into(), mechanism, iterations, salt: b"salt".to_vec(), salted_password: vec![7; 32] }
}

fn deletion(user: &str, mechanism: i8) -> Deletion {
    Deletion { user: user.into(), mechanism }
}

#[test]
fn recorded_requests_give_the_recorded_znode() {
    let text = credential_text(Mechanism::Sha512, SALT_512, &hex(SALTED_512), 4096);
    assert_eq!(text.as_deref(), Some(STORED_512));
    let text = credential_text(Mechanism::Sha256, SALT_256, &hex(SALTED_256), 8192);
    assert_eq!(text.as_deref(), Some(STORED_256));
}

#[test]
fn describing_tells_iterations_and_no_key() {
    let map = ConfigMap::from([
        ("SCRAM-SHA-512".into(), STORED_512.into()),
        ("SCRAM-SHA-256".into(), STORED_256.into()),
        ("producer_byte_rate".into(), "1".into()),
    ]);
    assert_eq!(describe(&map), Some(Ok(vec![(Mechanism::Sha256, 8192), (Mechanism::Sha512, 4096)])));
    assert_eq!(describe(&ConfigMap::from([("producer_byte_rate".into(), "1".into())])), None);
    assert_eq!(describe(&ConfigMap::from([("SCRAM-SHA-256".into(), "nonsense".into())])), Some(Err(())));
    assert_eq!(iterations_of("salt=a,stored_key=b,server_key=c"), None);
    assert_eq!(iterations_of("salt=a,stored_key=b,server_key=c,iterations=x"), None);
}

#[test]
fn faults_refuse_all_of_their_user_and_no_other() {
    let (refused, users) = screen(
        &[deletion("ann", 1), deletion("bob", 9), deletion("", 1)],
        &[upsertion("bob", 1, 4096), upsertion("cid", 1, 4095), upsertion("dan", 2, 16385), upsertion("eve", 1, 16384)],
    );
    assert_eq!(users.into_iter().collect::<Vec<_>>(), ["ann", "eve"]);
    let why = |user: &str| (refused[user].code, refused[user].message.clone().unwrap_or_default());
    assert_eq!(why("bob"), (ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism".into()));
    assert_eq!(why(""), (ErrorCode::UnacceptableCredential, "Username must not be empty".into()));
    assert_eq!(why("cid"), (ErrorCode::UnacceptableCredential, "Too few iterations".into()));
    assert_eq!(why("dan"), (ErrorCode::UnacceptableCredential, "Too many iterations".into()));
}

#[test]
fn a_credential_named_twice_is_refused() {
    let (refused, users) = screen(&[deletion("ann", 1)], &[upsertion("ann", 1, 4096), upsertion("ann", 2, 4096)]);
    assert!(users.is_empty());
    assert_eq!(refused["ann"].code, ErrorCode::DuplicateResource);
}

#[test]
fn applying_sets_and_removes_and_keeps_the_rest() {
    let stored =
        ConfigMap::from([("SCRAM-SHA-256".into(), STORED_256.into()), ("producer_byte_rate".into(), "1".into())]);
    let after =
        apply("ann", stored.clone(), &[deletion("ann", 1)], &[upsertion("ann", 2, 4096), upsertion("bob", 1, 4096)]);
    let keys: Vec<String> = after.expect("applied").into_keys().collect();
    assert_eq!(keys, ["SCRAM-SHA-512", "producer_byte_rate"]);
    let missing = apply("ann", stored, &[deletion("ann", 2)], &[]).expect_err("refused");
    assert_eq!(missing.code, ErrorCode::ResourceNotFound);
    assert_eq!(missing.message.as_deref(), Some("Attempt to delete a user credential that does not exist"));
}

#[test]
fn secrets_are_not_printed() {
    let text = format!("{:?}", upsertion("ann", 1, 4096));
    assert!(!text.contains('7') && !text.contains("salt"), "{text}");
}
