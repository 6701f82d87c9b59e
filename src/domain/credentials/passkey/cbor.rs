//! A reader of CBOR (RFC 8949) as authenticators write it (CTAP 2, section 6): definite lengths and the shortest form of
//! numbers. It borrows from the input, so that nothing that a length claims is allocated.

/// Maximum nesting of a value that is skipped.
const MAX_DEPTH: u8 = 8;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// What is left to read. Each method returns `None` if the next item is of another type or not well-formed.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes that were not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// The major type and the argument of an item (section 3).
    fn head(&mut self) -> Option<(u8, u64)> {
        let first = *self.take(1)?.first()?;
        let (major, information) = (first >> 5, first & 31);
        let length = match information {
            0..24 => return Some((major, u64::from(information))),
            24..=27 => 1_u64 << (information - 24),
            // Reserved, or an indefinite length.
            _ => return None,
        };
        let argument = self.take(length)?.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let shortest = match length {
            1 => argument >= 24,
            // A number of type 7 is a float, which may have any bits.
            _ => major == SIMPLE || argument >> (length * 4) != 0,
        };
        shortest.then_some((major, argument))
    }

    fn expect(&mut self, major: u8) -> Option<u64> {
        let (found, argument) = self.head()?;
        (found == major).then_some(argument)
    }

    /// The number of pairs in a map.
    pub(super) fn map(&mut self) -> Option<u64> {
        self.expect(MAP)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.expect(BYTES)?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.expect(TEXT)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// A whole number.
    pub(super) fn integer(&mut self) -> Option<i64> {
        match self.head()? {
            (UNSIGNED, argument) => i64::try_from(argument).ok(),
            (NEGATIVE, argument) => Some(-1 - i64::try_from(argument).ok()?),
            _ => None,
        }
    }

    /// Reads over one item of any type, except tags, which CTAP does not use.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.skip_nested(MAX_DEPTH)
    }

    fn skip_nested(&mut self, depth: u8) -> Option<()> {
        let items = match self.head()? {
            (UNSIGNED | NEGATIVE | SIMPLE, _) => 0,
            (BYTES, length) => {
                self.take(length)?;
                0
            }
            (TEXT, length) => {
                std::str::from_utf8(self.take(length)?).ok()?;
                0
            }
            (ARRAY, items) => items,
            (MAP, pairs) => pairs.checked_mul(2)?,
            _ => return None,
        };
        // Each item reads at least one byte, so that a length beyond the end stops at the end.
        for _ in 0..items {
            self.skip_nested(depth.checked_sub(1)?)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn skips(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        reader.skip().is_some() && reader.rest().is_empty()
    }

    #[test]
    fn well_formed_items_are_skipped() {
        let items: [&[u8]; 10] = [
            &[0x00],
            &[0x18, 0x18],
            &[0x39, 0x01, 0x00],
            &[0x43, 1, 2, 3],
            &[0x62, 0xc3, 0xa9],
            &[0x82, 0x01, 0x81, 0x02],
            &[0xa1, 0x61, b'a', 0x40],
            &[0xf5],
            &[0xf9, 0, 0],
            &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        for item in items {
            assert!(skips(item), "{item:x?}");
            for cut in 0..item.len() {
                assert!(!skips(&item[..cut]), "{item:x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn indefinite_long_tagged_deep_and_huge_items_are_refused() {
        let items: [&[u8]; 12] = [
            &[0x1c],
            &[0x1f],
            &[0x5f, 0x41, 0, 0xff],
            &[0x9f, 0xff],
            &[0xbf, 0xff],
            &[0x18, 0x17],
            &[0x19, 0, 0xff],
            &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            &[0xc0, 0x00],
            &[0x62, 0xff, 0xff],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
        ];
        for item in items {
            assert!(!skips(item), "{item:x?}");
        }
        let depth = usize::from(MAX_DEPTH);
        let nested = |depth| [vec![0x81; depth], vec![0]].concat();
        assert!(skips(&nested(depth)) && !skips(&nested(depth + 1)) && !skips(&nested(1_000_000)));
    }

    #[test]
    fn integers_are_read_up_to_64_bits() {
        for (bytes, number) in [
            (&[0x26][..], Some(-7)),
            (&[0x39, 0x01, 0x00], Some(-257)),
            (&[0x1b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Some(i64::MAX)),
            (&[0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Some(i64::MIN)),
            (&[0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0], None),
            (&[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0], None),
            (&[0x40], None),
        ] {
            assert_eq!(Reader::new(bytes).integer(), number, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            while reader.skip().is_some() && !reader.rest().is_empty() {}
        }
    }
}
