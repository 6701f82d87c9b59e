//! Ceremonies with real keys. Each refusal has a test in which only one thing is wrong.

mod ceremony;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use ceremony::*;

/// What Chromium's virtual authenticator answered to a registration on this machine.
const CHROMIUM: &str = "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVikSZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2NFAAAAAQECAwQFBg\
    cIAQIDBAUGBwgAIEI4wNWTG5Rk_30vzW7IXOCEboewMt7pWEjaSjNS9O73pQECAyYgASFYIOHRF-HeWl4GfDK5hlJgHyZT-_4kWfM4r3mxuiabnWVBIlggh3qu\
    cjuXVfYqnlWXud3B73-PdIPaMfqQO2nLc7TC5Ew";

#[test]
fn keys_of_each_algorithm_register_and_authenticate() {
    for signer in Signer::all() {
        let made = Ceremony::registration(&signer).register().unwrap();
        let expected = NewPasskey { credential_id: vec![9; 32], public_key: signer.cose(), sign_count: 7 };
        assert_eq!(made, expected);
        assert_eq!(Ceremony::authentication(&signer).authenticate(&signer, 6), Ok(7));
        let other = Signer::es256();
        assert_eq!(Ceremony::authentication(&signer).authenticate(&other, 6), Err(Refused::Signature));
    }
}

#[test]
fn extensions_that_nobody_requested_are_ignored() {
    let signer = Signer::es256();
    let mut ceremony = Ceremony::registration(&signer);
    ceremony.flags |= ED;
    ceremony.more = map(&[(text("credProtect"), int(2))]);
    assert!(ceremony.register().is_ok());
    for more in [vec![], int(1), [map(&[]), int(1)].concat(), head(5, 1)] {
        ceremony.more = more;
        assert_eq!(ceremony.register(), Err(Refused::AuthenticatorData));
    }
}

#[test]
fn ip_address_is_no_relying_party() {
    let of = |url: &str| RelyingParty::of(&url.parse().unwrap()).map(|party| (party.id, party.origin));
    assert_eq!(of("http://127.0.0.1:8081/"), None);
    assert_eq!(of("http://[::1]/"), None);
    assert_eq!(of("http://localhost:81/"), Some(("localhost".into(), "http://localhost:81".into())));
    assert_eq!(of("https://A.example:443/"), Some(("a.example".into(), "https://a.example".into())));
}

#[test]
fn client_data_of_another_type_challenge_or_origin_is_refused() {
    for (refused, name, value) in [
        (Refused::Type, "type", json!("webauthn.other")),
        (Refused::Challenge, "challenge", json!(RandomCode::generate().expose())),
        (Refused::Challenge, "challenge", json!("")),
        (Refused::Origin, "origin", json!("https://console.example.com.evil.example")),
        (Refused::Origin, "origin", json!("https://console.example.com:8443")),
        (Refused::Origin, "origin", json!("http://console.example.com")),
        (Refused::Origin, "origin", json!("https://console.example.com/")),
        (Refused::Origin, "crossOrigin", json!(true)),
        (Refused::ClientData, "crossOrigin", json!("true")),
        (Refused::ClientData, "origin", json!(null)),
        (Refused::ClientData, "tokenBinding", json!({ "status": "present", "id": "AA" })),
        (Refused::ClientData, "more", json!("x".repeat(5000))),
    ] {
        both_refuse(refused, |ceremony| ceremony.client_data[name] = value.clone());
    }
    let signer = Signer::es256();
    let mut swapped = Ceremony::registration(&signer);
    swapped.client_data["type"] = json!("webauthn.get");
    assert_eq!(swapped.register(), Err(Refused::Type));
    let mut swapped = Ceremony::authentication(&signer);
    swapped.client_data["type"] = json!("webauthn.create");
    assert_eq!(swapped.authenticate(&signer, 6), Err(Refused::Type));
}

#[test]
fn client_data_that_names_a_member_twice_is_refused() {
    let ceremony = Ceremony::registration(&Signer::es256());
    let json = ceremony.client_data.to_string();
    let twice = json.replacen('{', r#"{"origin":"https://evil.example","#, 1);
    let result = ceremony.party.register(&ceremony.challenge, twice.as_bytes(), &ceremony.attestation());
    assert_eq!(result, Err(Refused::ClientData));
}

#[test]
fn authenticator_data_of_another_site_or_without_user_is_refused() {
    both_refuse(Refused::RelyingParty, |ceremony| ceremony.rp_id = "example.com".to_owned());
    both_refuse(Refused::UserPresence, |ceremony| ceremony.flags &= !UP);
    both_refuse(Refused::UserVerification, |ceremony| ceremony.flags &= !UV);
    both_refuse(Refused::AuthenticatorData, |ceremony| ceremony.more = vec![0]);
}

#[test]
fn registration_needs_a_credential_and_authentication_has_none() {
    let signer = Signer::es256();
    let mut ceremony = Ceremony::registration(&signer);
    ceremony.flags &= !AT;
    assert_eq!(ceremony.register(), Err(Refused::AuthenticatorData));
    let mut ceremony = Ceremony::authentication(&signer);
    ceremony.flags |= AT;
    assert_eq!(ceremony.authenticate(&signer, 6), Err(Refused::AuthenticatorData));
}

#[test]
fn credential_id_has_1_to_1023_bytes() {
    let mut ceremony = Ceremony::registration(&Signer::es256());
    for (length, accepted) in [(0, false), (1, true), (1023, true), (1024, false), (65535, false)] {
        ceremony.id = vec![1; length];
        let id = if ceremony.authenticator_data().len() > usize::from(u16::MAX) {
            // The helper writes no longer items.
            AuthenticatorData::parse(&ceremony.authenticator_data(), &ceremony.rp_id).map(drop)
        } else {
            ceremony.register().map(drop)
        };
        assert_eq!(id, if accepted { Ok(()) } else { Err(Refused::CredentialId) }, "{length}");
    }
}

#[test]
fn keys_with_a_wrong_missing_double_or_further_parameter_are_refused() {
    let mut wrong = Vec::new();
    for signer in Signer::all() {
        let pairs = signer.pairs();
        let ceremony = Ceremony { key: map(&pairs), ..Ceremony::registration(&signer) };
        assert!(ceremony.register().is_ok());
        for at in 0..pairs.len() {
            let mut missing = pairs.clone();
            missing.remove(at);
            wrong.push(missing);
            let mut double = pairs.clone();
            double.push(pairs[at].clone());
            wrong.push(double);
            for value in [int(-65535), int(9), bytes(&[1; 31]), bytes(&[]), text("x"), vec![0xf5]] {
                let mut other = pairs.clone();
                other[at].1 = value;
                wrong.push(other);
            }
        }
        let mut further = pairs.clone();
        further.push((int(4), int(1)));
        wrong.push(further);
    }
    let [ec, _, rsa] = Signer::all();
    // A point that is not on the curve.
    let mut off_curve = ec.pairs();
    off_curve[4].1 = bytes(&[1; 32]);
    // RSA with 1024 bits, an even modulus, the exponent 1, and a leading zero.
    let mut small = rsa.pairs();
    small[2].1 = bytes(&[0xff; 128]);
    let mut just_small = rsa.pairs();
    just_small[2].1 = bytes(&[&[0x7f][..], &[0xff; 255]].concat());
    let mut even = rsa.pairs();
    even[2].1 = bytes(&[0xfe; 256]);
    let mut exponent = rsa.pairs();
    exponent[3].1 = bytes(&[1]);
    let mut zero = rsa.pairs();
    zero[2].1 = bytes(&[&[0][..], &[0xff; 256]].concat());
    wrong.extend([off_curve, small, just_small, even, exponent, zero]);
    for pairs in wrong {
        let ceremony = Ceremony { key: map(&pairs), ..Ceremony::registration(&ec) };
        assert_eq!(ceremony.register(), Err(Refused::PublicKey), "{pairs:x?}");
    }
}

#[test]
fn attestation_statement_is_ignored_but_the_object_must_be_whole() {
    let ceremony = Ceremony::registration(&Signer::es256());
    let data = ceremony.authenticator_data();
    let object = |pairs: &[(Vec<u8>, Vec<u8>)]| {
        ceremony.party.register(&ceremony.challenge, &ceremony.client_data(), &map(pairs)).map(drop)
    };
    let (format, statement) =
        ((text("fmt"), text("packed")), (text("attStmt"), map(&[(text("alg"), int(-7))])));
    let data = (text("authData"), bytes(&data));
    assert_eq!(object(&[format.clone(), statement.clone(), data.clone()]), Ok(()));
    assert_eq!(object(&[data.clone(), statement.clone(), format.clone()]), Ok(()));
    for pairs in [
        vec![format.clone(), statement.clone()],
        vec![format.clone(), data.clone()],
        vec![statement.clone(), data.clone()],
        vec![format.clone(), statement.clone(), data.clone(), data.clone()],
        vec![format.clone(), statement.clone(), data.clone(), (text("more"), int(1))],
        vec![format, statement, (text("authData"), text("x"))],
    ] {
        assert_eq!(object(&pairs), Err(Refused::AttestationObject));
    }
}

#[test]
fn truncated_extended_and_hostile_attestations_are_refused() {
    let ceremony = Ceremony::registration(&Signer::es256());
    let whole = ceremony.attestation();
    let client_data = ceremony.client_data();
    let register = |object: &[u8]| ceremony.party.register(&ceremony.challenge, &client_data, object);
    for cut in 0..whole.len() {
        assert!(register(&whole[..cut]).is_err(), "{cut}");
    }
    assert_eq!(register(&[whole.clone(), vec![0]].concat()), Err(Refused::AttestationObject));
    let deep = [head(5, 1), text("attStmt"), vec![0x81; 60_000]].concat();
    let long = [head(5, 1), text("authData"), vec![0x5b], vec![0xff; 8]].concat();
    let many = [vec![0xbb], vec![0xff; 8]].concat();
    for hostile in [deep, long, many, vec![0xa3; 1_000_000]] {
        assert_eq!(register(&hostile), Err(Refused::AttestationObject));
    }
}

#[test]
fn passkey_of_another_user_is_refused() {
    let signer = Signer::es256();
    let ceremony = Ceremony::authentication(&signer);
    let (client_data, data) = (ceremony.client_data(), ceremony.authenticator_data());
    let signature = signer.sign(&[data.as_slice(), &sha256(&client_data)].concat());
    assert_eq!(ceremony.verify(6, &client_data, &data, &signature, USER), Ok(7));
    for user in [&b""[..], b"another user han"] {
        assert_eq!(ceremony.verify(6, &client_data, &data, &signature, user), Err(Refused::User));
    }
}

#[test]
fn counter_must_grow_unless_both_are_zero() {
    let signer = Signer::es256();
    let mut ceremony = Ceremony::authentication(&signer);
    for (count, known, accepted) in [
        (0, 0, true),
        (1, 0, true),
        (7, 6, true),
        (u32::MAX, 6, true),
        (7, 7, false),
        (6, 7, false),
        (0, 7, false),
    ] {
        ceremony.sign_count = count;
        let expected = if accepted { Ok(count) } else { Err(Refused::Counter) };
        assert_eq!(ceremony.authenticate(&signer, known), expected, "{count} after {known}");
    }
}

#[test]
fn any_changed_byte_of_what_is_signed_is_refused() {
    for signer in Signer::all() {
        let ceremony = Ceremony::authentication(&signer);
        let (client_data, data) = (ceremony.client_data(), ceremony.authenticator_data());
        let signature = signer.sign(&[data.as_slice(), &sha256(&client_data)].concat());
        let changed = |whole: &[u8], at: usize| {
            let mut changed = whole.to_vec();
            changed[at] ^= 1;
            changed
        };
        for at in 0..client_data.len() {
            let client_data = changed(&client_data, at);
            assert!(ceremony.verify(6, &client_data, &data, &signature, USER).is_err(), "{at}");
        }
        for at in 0..data.len() {
            assert!(ceremony.verify(6, &client_data, &changed(&data, at), &signature, USER).is_err(), "{at}");
        }
        for at in 0..signature.len() {
            let signature = changed(&signature, at);
            let result = ceremony.verify(6, &client_data, &data, &signature, USER);
            assert_eq!(result, Err(Refused::Signature), "{at}");
        }
        for cut in 0..signature.len() {
            let result = ceremony.verify(6, &client_data, &data, &signature[..cut], USER);
            assert_eq!(result, Err(Refused::Signature), "{cut}");
        }
    }
}

#[test]
fn attestation_that_chromium_wrote_is_understood() {
    let object = BASE64_URL_SAFE_NO_PAD.decode(CHROMIUM).unwrap();
    let data = AuthenticatorData::parse(authenticator_data_of(&object).unwrap(), "localhost").unwrap();
    assert!(data.credential.is_some());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let ceremony = Ceremony::registration(&Signer::es256());
        prop_assert!(ceremony.party.register(&ceremony.challenge, &ceremony.client_data(), &bytes).is_err());
        prop_assert!(ceremony.verify(0, &ceremony.client_data(), &bytes, &bytes, USER).is_err());
        prop_assert!(PublicKey::read(&bytes).is_err());
    }

    #[test]
    fn attestation_with_changed_bytes_does_not_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let ceremony = Ceremony::registration(&Signer::es256());
        let mut object = ceremony.attestation();
        for (at, byte) in changes {
            let at = at.index(object.len());
            object[at] = byte;
        }
        let _ = ceremony.party.register(&ceremony.challenge, &ceremony.client_data(), &object);
    }
}
