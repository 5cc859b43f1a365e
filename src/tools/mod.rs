//! The command line: ottla broker and the kafka-*.sh commands.
