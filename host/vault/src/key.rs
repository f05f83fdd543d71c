//! One key.

use std::fmt;

use zeroize::Zeroizing;

/// What a sealed value says of the key that sealed it: the first four bytes of nothing secret, made with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

/// A key of 256 bits, wiped from memory when it goes. `Debug` shows its id alone.
#[derive(Clone)]
pub struct Key {
    id: KeyId,
    bytes: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut id = [0; 4];
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut id)?;
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self { id: KeyId(id), bytes })
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// `ID:KEY`, both in hexadecimal.
    pub(crate) fn to_line(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(hex::encode(self.bytes.as_slice()));
        Zeroizing::new(format!("{}:{}", self.id, key.as_str()))
    }

    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let (id, key) = line.split_once(':')?;
        let mut id_bytes = [0; 4];
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(id, &mut id_bytes).ok()?;
        hex::decode_to_slice(key, bytes.as_mut_slice()).ok()?;
        Some(Self { id: KeyId(id_bytes), bytes })
    }
}
