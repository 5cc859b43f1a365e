//! `ottla cluster`, as `kafka-cluster.sh`: the cluster's id. Brokers of a cluster with ZooKeeper need no unregistering.

use super::admin_client::{AdminClient, AdminConfig, block_on, load_properties};
use super::argparse::{Parsed, Parser, Spec, Takes};
use super::console::Console;
use super::java::Exception;
use super::options::Ended;

const MAIN_HELP: &str = "\
usage: kafka-cluster [-h] {cluster-id,unregister} ...

The Kafka cluster tool.

positional arguments:
  {cluster-id,unregister}
    cluster-id           Get information about the ID of a cluster.
    unregister           Unregister a broker.

optional arguments:
  -h, --help             show this help message and exit
";
const CLUSTER_ID_HELP: &str = "\
usage: kafka-cluster cluster-id [-h] [--config CONFIG]
                     (--bootstrap-server BOOTSTRAP_SERVER |
                     --bootstrap-controller BOOTSTRAP_CONTROLLER)

optional arguments:
  -h, --help             show this help message and exit
  --bootstrap-server BOOTSTRAP_SERVER, -b BOOTSTRAP_SERVER
                         A list of host/port pairs  to use for establishing
                         the connection to the Kafka cluster.
  --bootstrap-controller BOOTSTRAP_CONTROLLER, -C BOOTSTRAP_CONTROLLER
                         A list of host/port pairs  to use for establishing
                         the connection to the KRaft controllers.
  --config CONFIG, -c CONFIG
                         A property file containing  configurations for the
                         Admin client.
";
const UNREGISTER_HELP: &str = "\
usage: kafka-cluster unregister [-h] [--config CONFIG] --id ID
                     (--bootstrap-server BOOTSTRAP_SERVER |
                     --bootstrap-controller BOOTSTRAP_CONTROLLER)

optional arguments:
  -h, --help             show this help message and exit
  --bootstrap-server BOOTSTRAP_SERVER, -b BOOTSTRAP_SERVER
                         A list of host/port pairs  to use for establishing
                         the connection to the Kafka cluster.
  --bootstrap-controller BOOTSTRAP_CONTROLLER, -C BOOTSTRAP_CONTROLLER
                         A list of host/port pairs  to use for establishing
                         the connection to the KRaft controllers.
  --config CONFIG, -c CONFIG
                         A property file containing  configurations for the
                         Admin client.
  --id ID, -i ID         The ID of the broker to unregister.
";

const CONNECTION: [Spec; 3] = [
    ("bootstrap-server", Some('b'), Takes::One),
    ("bootstrap-controller", Some('C'), Takes::One),
    ("config", Some('c'), Takes::One),
];

const MAIN: Parser = Parser { program: "kafka-cluster", help: MAIN_HELP, specs: &[] };
const CLUSTER_ID: Parser = Parser { program: "kafka-cluster", help: CLUSTER_ID_HELP, specs: &CONNECTION };
const UNREGISTER: Parser = Parser {
    program: "kafka-cluster",
    help: UNREGISTER_HELP,
    specs: &[CONNECTION[0], CONNECTION[1], CONNECTION[2], ("id", Some('i'), Takes::One)],
};

/// Code of UnregisterBroker, which only KRaft knows.
const UNREGISTER_BROKER: i16 = 64;

/// Runs the command.
pub fn run(args: &[String], console: &Console) -> u8 {
    let outcome = try_run(args, console);
    match outcome {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            error.print(console);
            1
        }
        Err(ended) => ended.0,
    }
}

fn try_run(args: &[String], console: &Console) -> Result<Result<(), Exception>, Ended> {
    let main = MAIN.parse(args, console)?;
    let command = MAIN.sub_command(&main, &["cluster-id", "unregister"], console)?;
    let parser = if command == "cluster-id" { CLUSTER_ID } else { UNREGISTER };
    let parsed = parser.parse(&main.rest[1..], console)?;
    if let Some(word) = parsed.rest.first() {
        return Err(parser.error(console, &format!("unrecognized arguments: '{word}'")));
    }
    let id = parsed.value("id");
    if command == "unregister" && id.is_none() {
        return Err(parser.error(console, "argument --id/-i is required"));
    }
    parser.one_of(&parsed, &["bootstrap-server", "bootstrap-controller"], console)?;
    if let Some(id) = id.filter(|id| id.parse::<i32>().is_err()) {
        return Err(parser.error(console, &format!("argument --id/-i: could not convert '{id}' to Integer (32 bits)")));
    }
    Ok(act(command, &parsed, console))
}

fn act(command: &str, parsed: &Parsed<'_>, console: &Console) -> Result<(), Exception> {
    let config = connect_config(parsed, "config", console)?;
    block_on(async {
        let mut admin = AdminClient::new(config, console.clone());
        if command == "cluster-id" {
            match admin.describe_cluster().await?.cluster_id {
                Some(id) => console.say(format_args!("Cluster ID: {id}")),
                None => console.say("No cluster ID found. The Kafka version is probably too old."),
            }
        } else if admin.describe_features().await?.api_keys.iter().any(|api| api.api_key == UNREGISTER_BROKER) {
            return Err(Exception::unsupported(
                "Unregistering brokers of a KRaft cluster is not supported: Ottla's are ZooKeeper's",
            ));
        } else {
            console.say("The target cluster does not support the broker unregistration API.");
        }
        Ok(())
    })?
}

/// Where to connect to, from options that argparse's tools share.
pub(super) fn connect_config(parsed: &Parsed<'_>, file: &str, console: &Console) -> Result<AdminConfig, Exception> {
    let properties = load_properties(parsed.value(file))?;
    match parsed.value("bootstrap-server") {
        Some(servers) => AdminConfig::new(servers, &properties, console),
        None => Err(Exception::unsupported(
            "--bootstrap-controller is not supported: a cluster with ZooKeeper has no KRaft controllers",
        )),
    }
}
