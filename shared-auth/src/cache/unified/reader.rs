//! JSON as token caches are: objects of objects of long texts. Texts are borrowed, and looked at many bytes at a time;
//! every value that is neither an object to look into nor a text without escapes is read by serde_json.

use std::borrow::Cow;

use memchr::memchr2;
use serde_json::Value;

/// No JSON. Where and why, serde_json says.
#[derive(Debug)]
pub(super) struct Broken;

/// A place in a text.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Nothing in it may not stand in a text, so that no text has to be looked through for that. Line breaks between
    /// values are enough to make it look.
    clean: bool,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, clean: is_clean(text) }
    }

    /// The next value, as it is written.
    pub fn written<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Broken>,
    ) -> Result<(&'a str, T), Broken> {
        let begin = self.at;
        let value = read(self)?;
        Ok((self.text.get(begin..self.at).ok_or(Broken)?, value))
    }

    /// True where the next value begins with this.
    pub fn is_at(&mut self, begin: u8) -> bool {
        self.peek() == Some(begin)
    }

    /// The members of an object. `member` gets the name, and has to read the value.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.take(b'{')?;
        if self.is_at(b'}') {
            return self.take(b'}');
        }
        loop {
            let name = self.text()?;
            self.take(b':')?;
            member(self, name)?;
            match self.next() {
                Some(b',') => {}
                Some(b'}') => return Ok(()),
                _ => return Err(Broken),
            }
        }
    }

    /// A text, borrowed where it holds no escape.
    pub fn text(&mut self) -> Result<Cow<'a, str>, Broken> {
        if !self.is_at(b'"') {
            return Err(Broken);
        }
        let (bytes, begin) = (self.text.as_bytes(), self.at + 1);
        let end = begin + quote_or_backslash(bytes.get(begin..).ok_or(Broken)?).ok_or(Broken)?;
        if bytes.get(end) == Some(&b'"')
            && let Some(text) = self.text.get(begin..end).filter(|text| self.clean || is_clean(text))
        {
            self.at = end + 1;
            return Ok(Cow::Borrowed(text));
        }
        match self.value()? {
            Value::String(text) => Ok(Cow::Owned(text)),
            _ => Err(Broken),
        }
    }

    /// Whatever value comes next.
    pub fn value(&mut self) -> Result<Value, Broken> {
        let rest = self.text.get(self.at..).ok_or(Broken)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter();
        let value = values.next().and_then(Result::ok).ok_or(Broken)?;
        self.at += values.byte_offset();
        Ok(value)
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Result<(), Broken> {
        if self.peek().is_none() { Ok(()) } else { Err(Broken) }
    }

    fn take(&mut self, byte: u8) -> Result<(), Broken> {
        if self.next() == Some(byte) { Ok(()) } else { Err(Broken) }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }
}

/// Where the first of the two is. Most texts end within their first bytes, before a search would have begun in earnest:
/// these are looked at eight at a time, as a number.
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    const BEGIN: usize = 5;
    let (eights, _) = bytes.as_chunks();
    for (at, eight) in eights.iter().take(BEGIN).enumerate() {
        let eight = u64::from_le_bytes(*eight);
        let found = places(eight, b'"') | places(eight, b'\\');
        if found != 0 {
            return Some(8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    memchr2(b'"', b'\\', bytes)
}

/// The lowest bit that is set tells the first place of a byte among eight; of those above it, some tell nothing.
fn places(eight: u64, byte: u8) -> u64 {
    const EACH: u64 = u64::MAX / 0xFF;
    let differs = eight ^ (EACH * u64::from(byte));
    differs.wrapping_sub(EACH) & !differs & (EACH << 7)
}

/// True where no control character stands in it. The least byte is found without a way out in the middle, so many at a
/// time.
fn is_clean(text: &str) -> bool {
    text.bytes().fold(u8::MAX, u8::min) >= b' '
}
