//! The arguments of `transactions`: its sub-commands, what they take, and the help they print.

use crate::tools::argparse::{Parser, Spec, Takes};

const MAIN_HELP: &str = "\
usage: kafka-transactions.sh [-h] [-v] [--command-config FILE]
                             --bootstrap-server host:port COMMAND ...

This tool is used to analyze  the  transactional  state of producers in the
cluster. It can be used to detect and recover from hanging transactions.

optional arguments:
  -h, --help             show this help message and exit
  -v, --version          show the version  of  this  Kafka distribution and
                         exit
  --command-config FILE  property file containing configs  to  be passed to
                         admin client
  --bootstrap-server host:port
                         hostname and port for  the  broker  to connect to,
                         in  the   form   `host:port`    (multiple   comma-
                         separated entries can be given)

commands:
  COMMAND
    list                 list transactions
    describe             describe the state of an active transactional-id
    describe-producers   describe the  states  of  active  producers  for a
                         topic partition
    abort                abort    a    hanging     transaction    (requires
                         administrative privileges)
    find-hanging         find hanging transactions
";
const LIST_HELP: &str = "\
usage: kafka-transactions.sh --bootstrap-server host:port list [-h]
                             [--duration-filter DURATION_FILTER]

optional arguments:
  -h, --help             show this help message and exit
  --duration-filter DURATION_FILTER
                         Duration (in millis) to  filter  by:  if  < 0, all
                         transactions will  be  returned;  otherwise,  only
                         transactions running  longer  than  this  duration
                         will be returned
";
const DESCRIBE_HELP: &str = "\
usage: kafka-transactions.sh --bootstrap-server host:port describe [-h]
                             --transactional-id TRANSACTIONAL_ID

Describe the state of an active transactional-id.

optional arguments:
  -h, --help             show this help message and exit
  --transactional-id TRANSACTIONAL_ID
                         transactional id
";
const DESCRIBE_PRODUCERS_HELP: &str = "\
usage: kafka-transactions.sh --bootstrap-server host:port
                             describe-producers [-h]
                             [--broker-id BROKER_ID] --topic TOPIC
                             --partition PARTITION

optional arguments:
  -h, --help             show this help message and exit
  --broker-id BROKER_ID  optional broker id to  describe the producer state
                         on a specific replica
  --topic TOPIC          topic name
  --partition PARTITION  partition number
";
const ABORT_HELP: &str = "\
usage: kafka-transactions.sh --bootstrap-server host:port abort [-h]
                             --topic TOPIC --partition PARTITION
                             [--start-offset START_OFFSET]
                             [--producer-id PRODUCER_ID]
                             [--producer-epoch PRODUCER_EPOCH]
                             [--coordinator-epoch COORDINATOR_EPOCH]

optional arguments:
  -h, --help             show this help message and exit
  --topic TOPIC          topic name
  --partition PARTITION  partition number

Brokers on versions 3.0 and above:
  For newer brokers,  only  the  start  offset  of  the  transaction  to be
  aborted is required

  --start-offset START_OFFSET
                         start offset of the transaction to abort

Brokers on versions older than 3.0:
  For older brokers, you must provide all of these arguments

  --producer-id PRODUCER_ID
                         producer id
  --producer-epoch PRODUCER_EPOCH
                         producer epoch
  --coordinator-epoch COORDINATOR_EPOCH
                         coordinator epoch
";
const FIND_HANGING_HELP: &str = "\
usage: kafka-transactions.sh --bootstrap-server host:port find-hanging [-h]
                             [--broker-id BROKER_ID]
                             [--max-transaction-timeout MAX_TRANSACTION_TIMEOUT]
                             [--topic TOPIC] [--partition PARTITION]

optional arguments:
  -h, --help             show this help message and exit
  --broker-id BROKER_ID  broker id to search for hanging transactions
  --max-transaction-timeout MAX_TRANSACTION_TIMEOUT
                         maximum transaction timeout  in  minutes  to limit
                         the scope of the search (15 minutes by default)
  --topic TOPIC          topic name to  limit  search  to  (required  if --
                         partition is specified)
  --partition PARTITION  partition number
";

const PROGRAM: &str = "kafka-transactions.sh";

const fn one(name: &'static str) -> Spec {
    (name, None, Takes::One)
}

const fn parser(help: &'static str, specs: &'static [Spec]) -> Parser {
    Parser { program: PROGRAM, help, specs }
}

/// What stands before the sub-command.
pub(super) const MAIN: Parser =
    parser(MAIN_HELP, &[("version", Some('v'), Takes::Nothing), one("command-config"), one("bootstrap-server")]);

/// A sub-command: its name, its parser, what has to be given.
pub(super) type Command = (&'static str, Parser, &'static [&'static str]);

/// All sub-commands, in the order of their help.
pub(super) const COMMANDS: [Command; 5] = [
    ("list", parser(LIST_HELP, &[one("duration-filter")]), &[]),
    ("describe", parser(DESCRIBE_HELP, &[one("transactional-id")]), &["transactional-id"]),
    (
        "describe-producers",
        parser(DESCRIBE_PRODUCERS_HELP, &[one("broker-id"), one("topic"), one("partition")]),
        &["topic", "partition"],
    ),
    (
        "abort",
        parser(
            ABORT_HELP,
            &[
                one("topic"),
                one("partition"),
                one("start-offset"),
                one("producer-id"),
                one("producer-epoch"),
                one("coordinator-epoch"),
            ],
        ),
        &["topic", "partition"],
    ),
    (
        "find-hanging",
        parser(FIND_HANGING_HELP, &[one("broker-id"), one("max-transaction-timeout"), one("topic"), one("partition")]),
        &[],
    ),
];
