//! Why a passkey is refused.

/// Why a ceremony is refused; for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the client data is not understood")]
    ClientData,
    #[error("the client data is of another ceremony")]
    Type,
    #[error("the challenge is another one")]
    Challenge,
    #[error("the origin is not the console's, or a frame in another site's page")]
    Origin,
    #[error("the attestation object is not understood")]
    AttestationObject,
    #[error("the authenticator data is not understood")]
    AuthenticatorData,
    #[error("the passkey is of another relying party")]
    RelyingParty,
    #[error("the authenticator does not say that a user is present")]
    UserPresence,
    #[error("the authenticator does not say that it verified the user")]
    UserVerification,
    #[error("the id of the credential is empty or too long")]
    CredentialId,
    #[error("the public key is not one for ES256, EdDSA or RS256")]
    PublicKey,
    #[error("the passkey is another user's")]
    User,
    #[error("the signature is wrong")]
    Signature,
    #[error("the signature counter did not grow: the passkey may have been copied")]
    Counter,
}
