//! Time-based one-time passwords (TOTP, RFC 6238): HMAC-SHA-1, steps of 30 seconds, 6 digits, as every authenticator app
//! makes them.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::secret_key::random;

/// Length of a secret in bytes, as RFC 4226 advises.
pub const LENGTH: usize = 20;
/// Seconds of a step.
const STEP: i64 = 30;
/// Steps before and after the current one whose codes are accepted: clocks differ, and typing takes time.
const TOLERANCE: i64 = 1;
/// Bytes to encode in a URI: all but the unreserved ones (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The alphabet of base32 (RFC 4648, section 6).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The secret that an authenticator app and this server share. It is never printed.
pub struct TotpSecret([u8; LENGTH]);

impl TotpSecret {
    #[must_use]
    pub fn generate() -> Self {
        Self(random())
    }

    /// A stored secret; `None` if it has another length.
    #[must_use]
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret in base32 without padding, 32 letters and digits.
    #[must_use]
    pub fn base32(&self) -> String {
        let mut text = String::new();
        for group in self.0.chunks_exact(5) {
            let bits = group.iter().fold(0, |bits: u64, byte| bits << 8 | u64::from(*byte));
            text.extend(
                (0..8)
                    .rev()
                    .map(|n| char::from(BASE32[usize::from((bits >> (5 * n)).to_le_bytes()[0] & 31)])),
            );
        }
        text
    }

    /// The address that authenticator apps read:
    /// <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>
    #[must_use]
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let (issuer, account) = (encode(issuer), encode(account));
        format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", self.base32())
    }

    /// The time step of this code, if it is accepted: its step is the current one, or one before or after, and later than
    /// `last`, the step of the last accepted code. Spaces in the code do not matter.
    #[must_use]
    pub fn step_of(&self, code: &str, now: Timestamp, last: Option<i64>) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let current = now.as_second().div_euclid(STEP);
        let same = |step: &i64| verify_slices_are_equal(self.code(*step).as_bytes(), code.as_bytes()).is_ok();
        let mut steps = current - TOLERANCE..=current + TOLERANCE;
        steps.find(|step| last.is_none_or(|last| *step > last) && same(step))
    }

    /// HOTP (RFC 4226, section 5.3) of a step.
    fn code(&self, step: i64) -> String {
        let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0), &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = tag.last().map_or(0, |byte| usize::from(byte & 15));
        let number =
            tag[offset..offset + 4].iter().fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> TotpSecret {
        TotpSecret::stored(b"12345678901234567890").unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        // The last 6 of the 8 digits.
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().code(second / 30), code);
            assert_eq!(secret().step_of(code, at(second), None), Some(second / 30));
        }
    }

    #[test]
    fn a_code_is_accepted_a_step_early_or_late_and_only_once() {
        let (secret, code) = (secret(), secret().code(1000));
        let accepted = |second, last| secret.step_of(&code, at(second), last);
        assert_eq!(accepted(1000 * 30 - 31, None), None);
        for second in [1000 * 30 - 30, 1000 * 30, 1000 * 30 + 59] {
            assert_eq!(accepted(second, Some(999)), Some(1000), "{second}");
            assert_eq!(accepted(second, Some(1000)), None, "{second}");
        }
        assert_eq!(accepted(1000 * 30 + 60, None), None);
    }

    #[test]
    fn only_six_digits_are_a_code() {
        let code = secret().code(1000);
        let of = |code: &str| secret().step_of(code, at(30_000), None);
        assert!(of(&format!(" {} {} ", &code[..3], &code[3..])).is_some());
        for other in ["", &code[1..], &format!("{code}0"), &format!("0{code}"), "abcdef"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn secret_is_shown_in_base32_and_as_an_address() {
        assert_eq!(secret().base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            secret().uri("Userdocks a:1", "ada@example.com"),
            "otpauth://totp/Userdocks%20a%3A1:ada%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Userdocks%20a%3A1"
        );
    }
}
