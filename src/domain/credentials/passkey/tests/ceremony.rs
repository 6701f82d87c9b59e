//! Real keys, and the ceremonies of an authenticator that has them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use super::super::*;

pub const UP: u8 = 1;
pub const UV: u8 = 4;
pub const AT: u8 = 64;
pub const ED: u8 = 128;
pub const USER: &[u8] = b"the user handle!";

/// A CBOR item with an argument.
pub fn head(major: u8, argument: usize) -> Vec<u8> {
    let major = major << 5;
    match argument {
        0..24 => vec![major | u8::try_from(argument).unwrap()],
        24..256 => vec![major | 0x18, u8::try_from(argument).unwrap()],
        _ => [vec![major | 0x19], u16::try_from(argument).unwrap().to_be_bytes().to_vec()].concat(),
    }
}

pub fn bytes(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len()), bytes.to_vec()].concat()
}

pub fn text(text: &str) -> Vec<u8> {
    [head(3, text.len()), text.as_bytes().to_vec()].concat()
}

pub fn int(number: i64) -> Vec<u8> {
    if number < 0 {
        head(1, usize::try_from(-1 - number).unwrap())
    } else {
        head(0, usize::try_from(number).unwrap())
    }
}

pub fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let pairs_bytes = pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).flatten();
    [head(5, pairs.len()), pairs_bytes.collect()].concat()
}

pub enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Signer {
    pub fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub fn all() -> [Self; 3] {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        [Self::es256(), Self::EdDsa(Ed25519KeyPair::generate().unwrap()), Self::Rs256(rsa)]
    }

    /// The pairs of the COSE key.
    pub fn pairs(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        match self {
            Self::Es256(key) => {
                let point = key.public_key().as_ref();
                vec![
                    (int(1), int(2)),
                    (int(3), int(-7)),
                    (int(-1), int(1)),
                    (int(-2), bytes(&point[1..33])),
                    (int(-3), bytes(&point[33..])),
                ]
            }
            Self::EdDsa(key) => vec![
                (int(1), int(1)),
                (int(3), int(-8)),
                (int(-1), int(6)),
                (int(-2), bytes(key.public_key().as_ref())),
            ],
            Self::Rs256(key) => {
                let key = key.public_key();
                vec![
                    (int(1), int(3)),
                    (int(3), int(-257)),
                    (int(-1), bytes(key.modulus().big_endian_without_leading_zero())),
                    (int(-2), bytes(key.exponent().big_endian_without_leading_zero())),
                ]
            }
        }
    }

    pub fn cose(&self) -> Vec<u8> {
        map(&self.pairs())
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// A ceremony in which all is right, until a test changes a part.
#[derive(Clone)]
pub struct Ceremony {
    pub party: RelyingParty,
    pub challenge: RandomCode,
    pub client_data: Value,
    pub rp_id: String,
    pub flags: u8,
    pub sign_count: u32,
    pub id: Vec<u8>,
    pub key: Vec<u8>,
    /// What follows in the authenticator data.
    pub more: Vec<u8>,
}

impl Ceremony {
    pub fn new(kind: &str, flags: u8, key: Vec<u8>) -> Self {
        let challenge = RandomCode::generate();
        Self {
            party: RelyingParty::of(&"https://console.example.com".parse().unwrap()).unwrap(),
            client_data: json!({
                "type": kind,
                "challenge": challenge.expose(),
                "origin": "https://console.example.com",
                "crossOrigin": false,
                "future": [1],
            }),
            challenge,
            rp_id: "console.example.com".to_owned(),
            flags,
            sign_count: 7,
            id: vec![9; 32],
            key,
            more: vec![],
        }
    }

    pub fn registration(signer: &Signer) -> Self {
        Self::new("webauthn.create", UP | UV | AT, signer.cose())
    }

    pub fn authentication(signer: &Signer) -> Self {
        Self::new("webauthn.get", UP | UV, signer.cose())
    }

    pub fn client_data(&self) -> Vec<u8> {
        self.client_data.to_string().into_bytes()
    }

    pub fn authenticator_data(&self) -> Vec<u8> {
        let mut data = sha256(self.rp_id.as_bytes()).to_vec();
        data.push(self.flags);
        data.extend(self.sign_count.to_be_bytes());
        if self.flags & AT != 0 {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
            data.extend(&self.key);
        }
        data.extend(&self.more);
        data
    }

    pub fn attestation(&self) -> Vec<u8> {
        map(&[
            (text("fmt"), text("none")),
            (text("attStmt"), map(&[])),
            (text("authData"), bytes(&self.authenticator_data())),
        ])
    }

    pub fn register(&self) -> Result<NewPasskey, Refused> {
        self.party.register(&self.challenge, &self.client_data(), &self.attestation())
    }

    /// `known`: the counter that is stored.
    pub fn authenticate(&self, signer: &Signer, known: u32) -> Result<u32, Refused> {
        let (client_data, data) = (self.client_data(), self.authenticator_data());
        let signature = signer.sign(&[data.as_slice(), &sha256(&client_data)].concat());
        self.verify(known, &client_data, &data, &signature, USER)
    }

    pub fn verify(
        &self,
        known: u32,
        client_data: &[u8],
        authenticator_data: &[u8],
        signature: &[u8],
        user: &[u8],
    ) -> Result<u32, Refused> {
        let passkey = Passkey { public_key: &self.key, sign_count: known, user: USER };
        let assertion = Assertion { client_data, authenticator_data, signature, user };
        self.party.authenticate(&self.challenge, &passkey, &assertion)
    }
}

/// Runs both ceremonies with one thing changed.
pub fn both_refuse(refused: Refused, change: impl Fn(&mut Ceremony)) {
    let signer = Signer::es256();
    let mut registration = Ceremony::registration(&signer);
    assert!(registration.register().is_ok());
    change(&mut registration);
    assert_eq!(registration.register(), Err(refused));
    let mut authentication = Ceremony::authentication(&signer);
    assert!(authentication.authenticate(&signer, 6).is_ok());
    change(&mut authentication);
    assert_eq!(authentication.authenticate(&signer, 6), Err(refused));
}
