//! Key pairs that sign access tokens: new or removed.

use std::time::Duration;

use axum::extract::State;
use axum::response::Redirect;

use crate::admin::error::Error;
use crate::admin::form::Submitted;
use crate::admin::session::{InApp, Item};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::apps;
use crate::domain::credentials::access_token::{JWKS_MAX_AGE, NewKeyPair};

/// Creates a key pair. It signs once no cached JWK set lacks it, or at once.
pub async fn create(
    State(console): State<ConsoleState>,
    Submitted { at, form }: Submitted<InApp>,
) -> Result<Redirect, Error> {
    let keys = NewKeyPair::generate();
    let (delay, done) = match form.get("atOnce") {
        "yes" => (Duration::ZERO, "signs"),
        _ => (JWKS_MAX_AGE, "created"),
    };
    audit::record(|facts| facts.subject = Some(keys.id));
    apps::add_signing_key(console.db(), at.id(), &keys, delay, &console.server.seal).await?;
    Ok(Redirect::to(&at.path(&format!("/keys?done={done}"))))
}

/// Removes a key pair, if another one of the app signs.
pub async fn remove(
    State(console): State<ConsoleState>,
    Submitted { at: Item { at, id }, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    if !apps::remove_signing_key(console.db(), at.id(), id).await? {
        let keys = apps::signing_keys(console.db(), at.id()).await?;
        if !keys.iter().any(|key| key.id == id) {
            return Err(Error::NotFound);
        }
        return Err(Error::Refused("No other key of this app signs yet: create one first.".to_owned()));
    }
    Ok(Redirect::to(&at.path("/keys?done=removed")))
}
