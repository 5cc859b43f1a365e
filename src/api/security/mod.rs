//! ACLs, delegation tokens, client quotas, SCRAM users, and SASL where it is out of place.
//!
//! | file | API | answer today |
//! |---|---|---|
//! | `describe_acls` `create_acls` `delete_acls` | 29-31 | SECURITY_DISABLED: no authorizer is configured |
//! | `create_delegation_token` `renew_..` `expire_..` `describe_..` | 38-41 | DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: all listeners are PLAINTEXT |
//! | `describe_client_quotas` `alter_client_quotas` | 48, 49 | from and to ZooKeeper, at any broker |
//! | `describe_user_scram_credentials` `alter_user_scram_credentials` | 50, 51 | the same; altering at the controller only |
//! | `sasl_handshake` `sasl_authenticate` | 17, 36 | ILLEGAL_SASL_STATE: the connection needs no authentication |

pub mod alter_client_quotas;
pub mod alter_user_scram_credentials;
pub mod create_acls;
pub mod create_delegation_token;
pub mod delete_acls;
pub mod describe_acls;
pub mod describe_client_quotas;
pub mod describe_delegation_token;
pub mod describe_user_scram_credentials;
pub mod expire_delegation_token;
pub mod renew_delegation_token;
pub mod sasl_authenticate;
pub mod sasl_handshake;

use crate::wire::Str;

/// Who everybody is on a PLAINTEXT listener: `User:ANONYMOUS`.
const ANONYMOUS_TYPE: Str = Str::from_static("User");
const ANONYMOUS_NAME: Str = Str::from_static("ANONYMOUS");

/// What CreateAcls and DeleteAcls say for each entry.
const NO_AUTHORIZER: Str = Str::from_static("No Authorizer is configured.");

/// The expiry of a token that there is not.
const NO_TIMESTAMP: i64 = -1;
