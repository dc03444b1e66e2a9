//! What is cut short or changed gives an error or other pixels, within the stated bound of memory, and no panic.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Cursor;

use raster::{Memory, RasterError, Reader, Seekable};

use super::matrix;

/// Counts what this thread holds, and its peak.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note(change: isize) {
    // At a thread's end there is nothing left to count with.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

/// Most memory that `work` holds at once.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = HELD.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    work();
    (PEAK.with(Cell::get) - before).unsigned_abs()
}

fn read_all(bytes: &[u8]) -> Result<(), RasterError> {
    let mut reader = Reader::open(Memory(bytes))?;
    let header = reader.header();
    // What a changed header claims is the caller's to cap.
    if header.width * header.height * header.bands.len() > 1 << 20 {
        return Ok(());
    }
    let bands: Vec<usize> = (0..header.bands.len()).collect();
    let rows = 0..header.height;
    reader.read(&bands, rows).map(|_| ())
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_whole() {
    for (name, bytes) in matrix().iter().filter(|(name, _)| name.starts_with("sparse") || name.starts_with("jpeg")) {
        for len in (0..bytes.len()).step_by(7) {
            drop(read_all(&bytes[..len]));
        }
        assert!(read_all(&bytes[..bytes.len() / 3]).is_err(), "{name}");
    }
}

#[test]
fn changed_bytes_never_panic_nor_ask_for_more_than_the_bound() {
    let files = matrix();
    let mut names: Vec<&String> = files.keys().filter(|name| name.ends_with(".tif")).collect();
    names.sort();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for name in names {
        for _ in 0..60 {
            let mut bytes = files[name].clone();
            for _ in 0..1 + random() % 4 {
                // Mostly where directories are: at the beginning and at the end.
                let span = bytes.len().min(600);
                let at = if random() % 2 == 0 { random() % span } else { bytes.len() - 1 - random() % span };
                bytes[at] = [0, 1, 0xff, 0x80, random() as u8][random() % 5];
            }
            let peak = peak_of(|| drop(read_all(&bytes)));
            // Pixels as capped above, twice, their marks, and what the crate's documentation allows for a small file.
            assert!(peak < (16 << 20) + raster::MAX_BLOCK_BYTES, "{name}: {peak} bytes");
        }
    }
}

#[test]
fn one_strip_of_a_hundred_megabytes_is_read_by_rows() {
    let (width, height) = (6000u32, 9000u32);
    // Written by hand: 16 bits, one uncompressed strip, zeros but for one pixel.
    let mut file = Vec::new();
    file.extend(b"II*\0\x08\0\0\0\x08\0");
    let data_at = 8 + 2 + 8 * 12 + 4;
    let tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, data_at),
        (278, 4, height),
        (279, 4, 2 * width * height),
    ];
    for (tag, kind, value) in tags {
        file.extend((tag as u16).to_le_bytes());
        file.extend((kind as u16).to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file.resize(data_at as usize + 2 * (width * height) as usize, 0);
    let at = data_at as usize + 2 * (8000 * width + 17) as usize;
    file[at..at + 2].copy_from_slice(&1234u16.to_le_bytes());
    let mut reader = Reader::open(Seekable::new(Cursor::new(file)).unwrap()).unwrap();
    let mut row = Vec::new();
    let peak = peak_of(|| row = reader.read(&[0], 8000..8001).unwrap().bands.remove(0));
    assert_eq!((row[16], row[17], row[18]), (0.0, 1234.0, 0.0));
    assert!(peak < 1 << 20, "{peak} bytes");
}
