//! The safetensors container: named, typed, shaped tensors and one text of metadata, read from untrusted bytes.
//!
//! Layout: header length (u64, little endian), header (JSON), data. Files are written by the `safetensors` crate. They
//! are read here, because a browser that fetched half a file deserves to hear "truncated", because a name that occurs twice
//! must not go unnoticed, and because nothing may be allocated that the bytes do not hold.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use sha2::{Digest, Sha256};

/// Longest header that is looked at, the format's own limit: the largest encoder needs 30 kB, a gallery some 35 bytes a tile.
const MAX_HEADER_LEN: u64 = 100_000_000;
/// Most dimensions of a tensor.
const MAX_RANK: usize = 8;

/// What is wrong with the bytes of a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// The file ends before its own header says.
    #[error("the file is cut short: {found} of {expected} bytes\nhint: fetch or copy it again")]
    Truncated {
        /// Bytes that the file should have at least.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// These bytes were never a safetensors file.
    #[error(
        "not a safetensors file: {0}\nhint: check that the address or path leads to the file itself, not to a web page"
    )]
    NotSafetensors(String),
    /// A safetensors file whose parts contradict each other.
    #[error("malformed file: {0}\nhint: the file is damaged; fetch or export it again")]
    Malformed(String),
}

/// Element types in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Element {
    F32,
    F16,
    I8,
    U16,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::U16 => 2,
            Self::I8 => 1,
        }
    }

    fn dtype(self) -> safetensors::Dtype {
        match self {
            Self::F32 => safetensors::Dtype::F32,
            Self::F16 => safetensors::Dtype::F16,
            Self::I8 => safetensors::Dtype::I8,
            Self::U16 => safetensors::Dtype::U16,
        }
    }
}

/// A tensor as it lies in the file: little endian, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawTensor<'a> {
    pub element: Element,
    pub shape: Vec<usize>,
    /// `shape.iter().product()` elements.
    pub bytes: Cow<'a, [u8]>,
}

/// Tensors by name, and the text under this project's metadata key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container<'a> {
    pub text: Option<String>,
    pub tensors: BTreeMap<String, RawTensor<'a>>,
}

impl<'a> Container<'a> {
    /// Reads and checks everything but the meaning; `key` names the metadata entry to take.
    pub fn read(bytes: &'a [u8], key: &str) -> Result<Self, ContainerError> {
        let malformed = |what: String| Err(ContainerError::Malformed(what));
        let found = bytes.len() as u64;
        let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(ContainerError::Truncated { expected: 8, found });
        };
        let header_len = u64::from_le_bytes(*length);
        if header_len > MAX_HEADER_LEN || rest.first().is_some_and(|first| *first != b'{') {
            let start: String = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).chars().take(16).collect();
            return Err(ContainerError::NotSafetensors(format!("it begins with {start:?}")));
        }
        // at most MAX_HEADER_LEN, so it fits a 32-bit usize
        let Some((header, data)) = rest.split_at_checked(header_len as usize) else {
            return Err(ContainerError::Truncated { expected: 8 + header_len, found });
        };
        let header: Header = serde_json::from_slice(header)
            .map_err(|error| ContainerError::Malformed(format!("unreadable header: {error}")))?;

        let mut entries: Vec<(String, Entry)> = header.tensors.into_iter().collect();
        entries.sort_by_key(|(_, entry)| entry.data_offsets);
        let mut position = 0;
        for (name, entry) in &entries {
            let (start, end) = entry.data_offsets;
            let fits = entry.byte_len().is_some_and(|len| start.checked_add(len) == Some(end));
            if start != position || !fits {
                return malformed(format!("tensor {name:?} of shape {:?} at bytes {start} to {end}", entry.shape));
            }
            position = end;
        }
        let available = data.len() as u64;
        if position > available {
            let expected = position.saturating_add(8 + header_len);
            return Err(ContainerError::Truncated { expected, found });
        }
        if position < available {
            return malformed(format!("{} bytes after the last tensor", available - position));
        }
        let tensors = entries.into_iter().map(|(name, Entry { dtype, shape, data_offsets: (start, end) })| {
            let range: Range<usize> = start as usize..end as usize; // both at most data.len()
            (name, RawTensor { element: dtype, shape, bytes: Cow::Borrowed(&data[range]) })
        });
        let mut metadata = header.metadata;
        Ok(Self { text: metadata.remove(key), tensors: tensors.collect() })
    }

    /// The bytes of a file, the same for the same content.
    pub fn write(&self, key: &str) -> Result<Vec<u8>, ContainerError> {
        let views = self.tensors.iter().map(|(name, tensor)| (name.as_str(), View(tensor)));
        // one entry: the crate writes several in no particular order, and an empty map wrongly
        let metadata = self.text.as_ref().map(|text| HashMap::from([(key.to_owned(), text.clone())]));
        safetensors::serialize(views, metadata).map_err(|error| ContainerError::Malformed(error.to_string()))
    }

    /// SHA-256, in hexadecimal, over `text` and every tensor in order of name: its name, element type, shape and bytes,
    /// each preceded by its length, so that nothing in the file can change unnoticed.
    pub fn digest(&self, text: &str) -> String {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        field(text.as_bytes());
        for (name, tensor) in &self.tensors {
            field(name.as_bytes());
            field(format!("{:?}{:?}", tensor.element, tensor.shape).as_bytes());
            field(&tensor.bytes);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

struct View<'a>(&'a RawTensor<'a>);

impl safetensors::View for View<'_> {
    fn dtype(&self) -> safetensors::Dtype {
        self.0.element.dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0.bytes)
    }

    fn data_len(&self) -> usize {
        self.0.bytes.len()
    }
}

/// The JSON header: tensors by name beside one entry of metadata.
#[derive(Default)]
struct Header {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: Element,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl Entry {
    /// `None` when it overflows or the rank is absurd.
    fn byte_len(&self) -> Option<u64> {
        if self.shape.len() > MAX_RANK {
            return None;
        }
        let elements = self.shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim as u64))?;
        elements.checked_mul(self.dtype.bytes() as u64)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a safetensors header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut has_metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            let twice = if name == "__metadata__" {
                header.metadata = map.next_value()?;
                std::mem::replace(&mut has_metadata, true)
            } else {
                header.tensors.insert(name.clone(), map.next_value()?).is_some()
            };
            if twice {
                return Err(A::Error::custom(format_args!("{name:?} occurs twice")));
            }
        }
        Ok(header)
    }
}
