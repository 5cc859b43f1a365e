//! Messages of SASL, ACLs, delegation tokens and SCRAM credentials.
//!
//! Used by api/session, api/security and the tools. The notation is explained at `message!` in `wire/message.rs`.
//! Beware: several carry secrets (SASL bytes, token HMACs, salted passwords); never log one with `{:?}`.

use bytes::Bytes;

use crate::wire::field::empty;
use crate::wire::message::message;
use crate::wire::types::Str;

message! {
    /// Chooses a SASL mechanism.
    SaslHandshakeRequest: request SaslHandshake -> SaslHandshakeResponse {
        mechanism: Str, 0..;
    }

    /// Whether it is enabled, and which are.
    SaslHandshakeResponse: response SaslHandshake {
        error_code: i16, 0..;
        mechanisms: Vec<Str>, 0..;
    }

    /// A SASL token of the client.
    SaslAuthenticateRequest: request SaslAuthenticate -> SaslAuthenticateResponse {
        auth_bytes: Bytes, 0..;
    }

    /// The server's token; from version 1 how long the session lives.
    SaslAuthenticateResponse: response SaslAuthenticate {
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        auth_bytes: Bytes, 0..;
        /// 0 for a session that needs no re-authentication.
        session_lifetime_ms: i64, 1.., else drop;
    }

    /// Asks for the ACLs a filter matches.
    DescribeAclsRequest: request DescribeAcls -> DescribeAclsResponse {
        resource_type_filter: i8, 0..;
        resource_name_filter: Option<Str>, 0.., default empty();
        pattern_type_filter: i8, 1.., default 3;
        principal_filter: Option<Str>, 0.., default empty();
        host_filter: Option<Str>, 0.., default empty();
        operation: i8, 0..;
        permission_type: i8, 0..;
    }

    /// The ACLs, by resource.
    DescribeAclsResponse: response DescribeAcls {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        resources: Vec<DescribeAclsResponseResource>, 0..;
    }
    DescribeAclsResponseResource {
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        pattern_type: i8, 1.., default 3;
        acls: Vec<DescribeAclsResponseAcl>, 0..;
    }
    DescribeAclsResponseAcl {
        principal: Str, 0..;
        host: Str, 0..;
        operation: i8, 0..;
        permission_type: i8, 0..;
    }

    /// Adds ACLs.
    CreateAclsRequest: request CreateAcls -> CreateAclsResponse {
        creations: Vec<CreateAclsRequestCreation>, 0..;
    }
    CreateAclsRequestCreation {
        /// 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        /// 3 literal, 4 prefixed.
        resource_pattern_type: i8, 1.., default 3;
        principal: Str, 0..;
        host: Str, 0..;
        operation: i8, 0..;
        /// 2 deny, 3 allow.
        permission_type: i8, 0..;
    }

    /// One result for each ACL, in the request's order.
    CreateAclsResponse: response CreateAcls {
        throttle_time_ms: i32, 0..;
        results: Vec<CreateAclsResponseResult>, 0..;
    }
    CreateAclsResponseResult {
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
    }

    /// Removes the ACLs filters match.
    DeleteAclsRequest: request DeleteAcls -> DeleteAclsResponse {
        filters: Vec<DeleteAclsRequestFilter>, 0..;
    }
    DeleteAclsRequestFilter {
        resource_type_filter: i8, 0..;
        resource_name_filter: Option<Str>, 0.., default empty();
        pattern_type_filter: i8, 1.., default 3;
        principal_filter: Option<Str>, 0.., default empty();
        host_filter: Option<Str>, 0.., default empty();
        operation: i8, 0..;
        permission_type: i8, 0..;
    }

    /// What each filter removed.
    DeleteAclsResponse: response DeleteAcls {
        throttle_time_ms: i32, 0..;
        filter_results: Vec<DeleteAclsResponseFilterResult>, 0..;
    }
    DeleteAclsResponseFilterResult {
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        matching_acls: Vec<DeleteAclsResponseMatchingAcl>, 0..;
    }
    DeleteAclsResponseMatchingAcl {
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        resource_type: i8, 0..;
        resource_name: Str, 0..;
        pattern_type: i8, 1.., default 3;
        principal: Str, 0..;
        host: Str, 0..;
        operation: i8, 0..;
        permission_type: i8, 0..;
    }

    /// Creates a delegation token (KIP-48).
    CreateDelegationTokenRequest: request CreateDelegationToken -> CreateDelegationTokenResponse {
        owner_principal_type: Option<Str>, 3.., default empty();
        owner_principal_name: Option<Str>, 3.., default empty();
        renewers: Vec<CreateDelegationTokenRequestRenewer>, 0..;
        /// -1 for the broker's.
        max_lifetime_ms: i64, 0..;
    }
    CreateDelegationTokenRequestRenewer {
        principal_type: Str, 0..;
        principal_name: Str, 0..;
    }

    /// The token and its HMAC.
    CreateDelegationTokenResponse: response CreateDelegationToken {
        error_code: i16, 0..;
        principal_type: Str, 0..;
        principal_name: Str, 0..;
        token_requester_principal_type: Str, 3..;
        token_requester_principal_name: Str, 3..;
        issue_timestamp_ms: i64, 0..;
        expiry_timestamp_ms: i64, 0..;
        max_timestamp_ms: i64, 0..;
        token_id: Str, 0..;
        hmac: Bytes, 0..;
        throttle_time_ms: i32, 0..;
    }

    /// Prolongs a token, named by its HMAC.
    RenewDelegationTokenRequest: request RenewDelegationToken -> RenewDelegationTokenResponse {
        hmac: Bytes, 0..;
        renew_period_ms: i64, 0..;
    }

    /// When the token now expires.
    RenewDelegationTokenResponse: response RenewDelegationToken {
        error_code: i16, 0..;
        expiry_timestamp_ms: i64, 0..;
        throttle_time_ms: i32, 0..;
    }

    /// Ends a token; a negative period at once.
    ExpireDelegationTokenRequest: request ExpireDelegationToken -> ExpireDelegationTokenResponse {
        hmac: Bytes, 0..;
        expiry_time_period_ms: i64, 0..;
    }

    /// When the token now expires.
    ExpireDelegationTokenResponse: response ExpireDelegationToken {
        error_code: i16, 0..;
        expiry_timestamp_ms: i64, 0..;
        throttle_time_ms: i32, 0..;
    }

    /// Asks for the tokens of owners; null means all one may see.
    DescribeDelegationTokenRequest: request DescribeDelegationToken -> DescribeDelegationTokenResponse {
        owners: Option<Vec<DescribeDelegationTokenRequestOwner>>, 0.., default empty();
    }
    DescribeDelegationTokenRequestOwner {
        principal_type: Str, 0..;
        principal_name: Str, 0..;
    }

    /// The tokens.
    DescribeDelegationTokenResponse: response DescribeDelegationToken {
        error_code: i16, 0..;
        tokens: Vec<DescribeDelegationTokenResponseToken>, 0..;
        throttle_time_ms: i32, 0..;
    }
    DescribeDelegationTokenResponseToken {
        principal_type: Str, 0..;
        principal_name: Str, 0..;
        token_requester_principal_type: Str, 3..;
        token_requester_principal_name: Str, 3..;
        issue_timestamp: i64, 0..;
        expiry_timestamp: i64, 0..;
        max_timestamp: i64, 0..;
        token_id: Str, 0..;
        hmac: Bytes, 0..;
        renewers: Vec<DescribeDelegationTokenResponseRenewer>, 0..;
    }
    DescribeDelegationTokenResponseRenewer {
        principal_type: Str, 0..;
        principal_name: Str, 0..;
    }

    /// Asks which SCRAM credentials users have; null or empty means all.
    DescribeUserScramCredentialsRequest: request DescribeUserScramCredentials -> DescribeUserScramCredentialsResponse {
        users: Option<Vec<DescribeUserScramCredentialsRequestUser>>, 0.., default empty();
    }
    DescribeUserScramCredentialsRequestUser {
        name: Str, 0..;
    }

    /// Mechanisms and iterations of each user, never the secret.
    DescribeUserScramCredentialsResponse: response DescribeUserScramCredentials {
        throttle_time_ms: i32, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        results: Vec<DescribeUserScramCredentialsResponseUser>, 0..;
    }
    DescribeUserScramCredentialsResponseUser {
        user: Str, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
        credential_infos: Vec<DescribeUserScramCredentialsResponseCredential>, 0..;
    }
    DescribeUserScramCredentialsResponseCredential {
        mechanism: i8, 0..;
        iterations: i32, 0..;
    }

    /// Removes and sets SCRAM credentials (KIP-554). Mechanisms: 1 SHA-256, 2 SHA-512.
    AlterUserScramCredentialsRequest: request AlterUserScramCredentials -> AlterUserScramCredentialsResponse {
        deletions: Vec<AlterUserScramCredentialsRequestDeletion>, 0..;
        upsertions: Vec<AlterUserScramCredentialsRequestUpsertion>, 0..;
    }
    AlterUserScramCredentialsRequestDeletion {
        name: Str, 0..;
        mechanism: i8, 0..;
    }
    AlterUserScramCredentialsRequestUpsertion {
        name: Str, 0..;
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8, 0..;
        iterations: i32, 0..;
        salt: Bytes, 0..;
        salted_password: Bytes, 0..;
    }

    /// One result for each user.
    AlterUserScramCredentialsResponse: response AlterUserScramCredentials {
        throttle_time_ms: i32, 0..;
        results: Vec<AlterUserScramCredentialsResponseUser>, 0..;
    }
    AlterUserScramCredentialsResponseUser {
        user: Str, 0..;
        error_code: i16, 0..;
        error_message: Option<Str>, 0.., default empty();
    }
}
