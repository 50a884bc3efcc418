//! JSON as token caches are: objects of objects of long texts. Texts are borrowed, and looked at many bytes at a time;
//! every value that is neither an object to look into nor a text without escapes is read by serde_json.

use std::borrow::Cow;

use serde_json::Value;

/// No JSON. Where and why, serde_json says.
#[derive(Debug)]
pub(super) struct Broken;

/// A place in a text.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
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
            if !self.is_at(b',') {
                return self.take(b'}');
            }
            self.take(b',')?;
        }
    }

    /// A text, borrowed where it holds no escape.
    pub fn text(&mut self) -> Result<Cow<'a, str>, Broken> {
        if !self.is_at(b'"') {
            return Err(Broken);
        }
        let begin = self.at + 1;
        let end = begin + plain(self.text.as_bytes().get(begin..).unwrap_or_default());
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return self.text.get(begin..end).map(Cow::Borrowed).ok_or(Broken);
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
        if !self.is_at(byte) {
            return Err(Broken);
        }
        self.at += 1;
        Ok(())
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

/// How many bytes are a text's own: up to its end, an escape, or what may not stand in a text.
fn plain(bytes: &[u8]) -> usize {
    const AT_ONCE: usize = 16;
    // Without a way out in the middle: that is looked at in one piece.
    let ends = |byte: u8| (byte == b'"') | (byte == b'\\') | (byte < b' ');
    let all_plain = |piece: &&[u8]| !piece.iter().fold(false, |found, &byte| found | ends(byte));
    let begin = AT_ONCE * bytes.chunks_exact(AT_ONCE).take_while(all_plain).count();
    let rest = bytes.get(begin..).unwrap_or_default();
    begin + rest.iter().position(|&byte| ends(byte)).unwrap_or(rest.len())
}
