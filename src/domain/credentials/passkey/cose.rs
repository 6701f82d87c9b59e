//! Public keys of passkeys: COSE keys (RFC 9052, 7; RFC 9053) of the three algorithms that this server offers.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};

use super::cbor::Reader;
use super::refused::Refused;

/// COSE identifiers of algorithms, the preferred one first.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// A key and its algorithm.
pub(super) enum PublicKey<'a> {
    /// ES256 or Ed25519.
    Curve(ParsedPublicKey),
    Rsa(PublicKeyComponents<&'a [u8]>),
}

/// The parameters of a COSE key. Each is there once at most.
#[derive(Default)]
struct Parameters<'a> {
    kty: Option<i64>,
    alg: Option<i64>,
    /// −1: a curve, or the modulus of RSA.
    crv: Option<i64>,
    n: Option<&'a [u8]>,
    /// −2: x, or the exponent of RSA.
    x: Option<&'a [u8]>,
    /// −3
    y: Option<&'a [u8]>,
}

impl<'a> Parameters<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let mut key = Self::default();
        for _ in 0..reader.map()? {
            let mut next = *reader;
            match reader.integer()? {
                1 => set(&mut key.kty, reader.integer()?)?,
                3 => set(&mut key.alg, reader.integer()?)?,
                -1 => {
                    next.integer()?;
                    match next.integer() {
                        Some(_) => set(&mut key.crv, reader.integer()?)?,
                        None => set(&mut key.n, reader.bytes()?)?,
                    }
                }
                -2 => set(&mut key.x, reader.bytes()?)?,
                -3 => set(&mut key.y, reader.bytes()?)?,
                // WebAuthn allows no other parameters (5.8.5).
                _ => return None,
            }
        }
        Some(key)
    }
}

/// Sets a value that is not set yet.
fn set<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

impl<'a> PublicKey<'a> {
    /// Reads a key of one of the [`ALGORITHMS`]. Returns it with what follows it.
    pub(super) fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Refused> {
        let mut reader = Reader::new(bytes);
        let key = Parameters::read(&mut reader).and_then(|key| Self::new(&key)).ok_or(Refused::PublicKey)?;
        Ok((key, reader.rest()))
    }

    fn new(key: &Parameters<'a>) -> Option<Self> {
        let curve = |algorithm, bytes: &[u8]| Some(Self::Curve(ParsedPublicKey::new(algorithm, bytes).ok()?));
        match *key {
            Parameters { kty: Some(2), alg: Some(ES256), crv: Some(1), n: None, x: Some(x), y: Some(y) }
                if x.len() == 32 && y.len() == 32 =>
            {
                let point = [&[4], x, y].concat();
                curve(&ECDSA_P256_SHA256_ASN1, &point)
            }
            Parameters { kty: Some(1), alg: Some(EDDSA), crv: Some(6), n: None, x: Some(x), y: None }
                if x.len() == 32 =>
            {
                curve(&ED25519, x)
            }
            Parameters { kty: Some(3), alg: Some(RS256), crv: None, n: Some(n), x: Some(e), y: None } => {
                is_rsa(n, e).then_some(Self::Rsa(PublicKeyComponents { n, e }))
            }
            _ => None,
        }
    }

    /// Whether this key made the signature.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Curve(key) => key.verify_sig(message, signature).is_ok(),
            Self::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok(),
        }
    }
}

/// Whether these are a modulus of 2048 to 8192 bits and an exponent, both without leading zeros.
fn is_rsa(n: &[u8], e: &[u8]) -> bool {
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    let long = match (n.len(), n.first()) {
        (256, Some(first)) => *first >= 0x80,
        (257..=1024, Some(first)) => *first != 0,
        _ => false,
    };
    let exponent = (1..=4).contains(&e.len()) && e[0] != 0 && e != [1];
    long && odd(n) && odd(e) && exponent
}
