//! ACLs, tokens, quotas, SCRAM users: answered as a Kafka without authorizer and token key does.
