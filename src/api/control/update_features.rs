//! UpdateFeatures (0-1): changes finalized features (KIP-584). A ZooKeeper-mode broker supports none, so each is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::admin::NOT_THE_CONTROLLER;
use crate::api::{Api, Malformed, Outcome, Request};
use crate::base::ErrorCode;
use crate::controller::{ApiError, FeatureChange, FeatureUpdate};
use crate::wire::{
    UpdateFeaturesRequest, UpdateFeaturesRequestFeature, UpdateFeaturesResponse, UpdateFeaturesResponseFeature,
};

/// From this version on a number says how a feature changes; before, a flag says whether it may go down.
const FIRST_UPGRADE_TYPE_VERSION: i16 = 1;

/// Answers when the controller has judged.
///
/// # Errors
/// [`Malformed`] closes the connection.
pub async fn handle(api: &Arc<Api>, mut request: Request) -> Result<Outcome, Malformed> {
    let asked: UpdateFeaturesRequest = request.decode()?;
    let replier = request.replier();
    let version = replier.version();
    let updates = asked.feature_updates.iter().map(|update| update_of(update, version)).collect();
    let controller = api.controller.clone();
    Ok(Outcome::later(async move { replier.reply(&answer(controller.update_features(updates).await)) }))
}

fn update_of(asked: &UpdateFeaturesRequestFeature, version: i16) -> FeatureUpdate {
    let change = match (version, asked.upgrade_type) {
        (..FIRST_UPGRADE_TYPE_VERSION, _) if asked.allow_downgrade => FeatureChange::SafeDowngrade,
        (..FIRST_UPGRADE_TYPE_VERSION, _) | (_, 1) => FeatureChange::Upgrade,
        (_, 2) => FeatureChange::SafeDowngrade,
        (_, 3) => FeatureChange::UnsafeDowngrade,
        _ => FeatureChange::Unknown,
    };
    FeatureUpdate { feature: asked.feature.to_string(), level: asked.max_version_level, change }
}

/// The answer, in the order of the names.
pub fn answer(judged: Result<BTreeMap<String, ApiError>, ErrorCode>) -> UpdateFeaturesResponse {
    let judged = match judged {
        Ok(judged) => judged,
        Err(code) => {
            let error_message = (code == ErrorCode::NotController).then_some(NOT_THE_CONTROLLER);
            return UpdateFeaturesResponse { error_code: code.code(), error_message, ..Default::default() };
        }
    };
    let result = |(feature, error): (String, ApiError)| UpdateFeaturesResponseFeature {
        feature: feature.into(),
        error_code: error.code.code(),
        error_message: error.message.map(Into::into),
    };
    UpdateFeaturesResponse {
        error_message: None,
        results: judged.into_iter().map(result).collect(),
        ..Default::default()
    }
}
