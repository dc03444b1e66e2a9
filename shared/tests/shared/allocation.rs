//! Small hostile files must not make the readers allocate much: measured, by counting what this thread allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use shared::artifact::Artifact;
use shared::gallery::Gallery;

struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every request goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.with(|total| total.set(total.get().saturating_add(layout.size())));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A file with this header and four bytes of data; `header_len` as given, or true.
fn file(header: &str, header_len: Option<u64>) -> Vec<u8> {
    let mut bytes = header_len.unwrap_or(header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

#[test]
fn hostile_sizes_allocate_little() {
    let tensor = |shape: &str, offsets: &str| {
        format!(r#"{{"encoder.conv1.weight":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let mut files: Vec<Vec<u8>> = [0, 1, 15 << 20, 16 << 20, (16 << 20) + 1, 1 << 32, 1 << 62, u64::MAX - 7, u64::MAX]
        .map(|header_len| file("{}", Some(header_len)))
        .into();
    for (shape, offsets) in [
        ("[1099511627776]", "[0,4398046511104]"),
        ("[1099511627776]", "[0,4]"),
        ("[4294967296,4294967296]", "[0,0]"),
        ("[4294967296,4294967296,0]", "[0,0]"),
        ("[4611686018427387903]", "[0,18446744073709551612]"),
        ("[1]", "[18446744073709551612,18446744073709551615]"),
        ("[1]", "[4,0]"),
        ("[1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]"),
        ("[-1]", "[0,4]"),
        ("[1e300]", "[0,4]"),
    ] {
        files.push(file(&tensor(shape, offsets), None));
    }
    files.push(file(&"[".repeat(100_000), None));
    files.push(file(&format!("{{\"a\":{}", "[".repeat(100_000)), None));
    for bytes in files {
        let before = ALLOCATED.get();
        assert!(Artifact::from_bytes(&bytes).is_err());
        assert!(Gallery::from_bytes(&bytes).is_err());
        let allocated = ALLOCATED.get() - before;
        assert!(
            allocated < 64 * 1024,
            "{allocated} bytes for {:?}",
            String::from_utf8_lossy(&bytes[8..bytes.len().min(120)])
        );
    }
}
