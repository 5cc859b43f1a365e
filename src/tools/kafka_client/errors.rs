//! librdkafka's errors by the names of Java's exceptions.
//!
//! A broker's code has the same number in librdkafka and on the wire. Its own codes are negative; the few that a user meets have a Java
//! exception of the same meaning, the others keep librdkafka's words.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::base::ErrorCode;
use crate::tools::java::Exception;

/// The exception for an error.
pub fn exception(error: &KafkaError) -> Exception {
    match error.rdkafka_error_code() {
        Some(code) => of_code(code),
        None => Exception::new("org.apache.kafka.common.KafkaException", error.to_string()),
    }
}

/// The exception for a code.
pub fn of_code(code: RDKafkaErrorCode) -> Exception {
    use RDKafkaErrorCode::*;
    let number = code as i32;
    match code {
        _ if number > 0 => {
            let known = i16::try_from(number).map_or(ErrorCode::UnknownServerError, ErrorCode::from_code);
            Exception::of_code(known, None)
        }
        MessageTimedOut | OperationTimedOut | TimedOutQueue | QueueFull => Exception::timeout(code.to_string()),
        UnknownTopic | UnknownPartition => Exception::of_code(ErrorCode::UnknownTopicOrPartition, None),
        BrokerTransportFailure | AllBrokersDown | Resolve | BrokerDestroy => {
            Exception::of_code(ErrorCode::NetworkException, Some(&code.to_string()))
        }
        InvalidArgument | Conflict => Exception::illegal(code.to_string()),
        _ => Exception::new("org.apache.kafka.common.KafkaException", code.to_string()),
    }
}
