//! ApiVersions (0-4): what this broker speaks. A request of a later version is answered in version 0, so that the client learns (KIP-511).

use std::sync::Arc;

use crate::api::{Api, Malformed, Outcome, Request, SERVED};
use crate::base::ErrorCode;
use crate::wire::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ApiVersionsResponseApiVersion};

/// The first version that names the client's library.
const FIRST_SOFTWARE_VERSION: i16 = 3;

/// Answers from the table of served APIs.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let replier = request.replier();
    if !ApiKey::ApiVersions.supports(request.version()) {
        let answer = ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            api_keys: vec![entry(ApiKey::ApiVersions)],
            ..Default::default()
        };
        return Ok(replier.reply_as(&answer, 0, Vec::new()));
    }
    let asked: ApiVersionsRequest = request.decode()?;
    if request.version() >= FIRST_SOFTWARE_VERSION {
        let (name, version) = (&*asked.client_software_name, &*asked.client_software_version);
        if !is_software_text(name) || !is_software_text(version) {
            let answer = ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
            return Ok(replier.reply(&answer));
        }
        let _ = request.peer.software.set((name.into(), version.into())); // the first word stands
    }
    Ok(replier.reply(&ApiVersionsResponse {
        api_keys: SERVED.iter().copied().map(entry).collect(),
        finalized_features_epoch: api.cluster.epochs.feature(),
        ..Default::default()
    }))
}

fn entry(key: ApiKey) -> ApiVersionsResponseApiVersion {
    ApiVersionsResponseApiVersion {
        api_key: key.code(),
        min_version: key.min_version(),
        max_version: key.max_version(),
    }
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`, as Kafka checks it before using it in metric names.
fn is_software_text(text: &str) -> bool {
    let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends_well(text.chars().next())
        && ends_well(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}
