//! The CPU kernels of `shared` by themselves: the same files, compiled with checks of every address. `.ci/sanitised` runs the
//! tests below under AddressSanitizer, which sees vector loads and stores beside their memory, with overflow checks and debug
//! assertions; where a toolchain has Miri, `cargo miri test -p sanitised` interprets the portable ones.
#![expect(dead_code, reason = "the kernels are called by tests alone, and not by every way")]
#![cfg_attr(not(test), expect(unused_imports, reason = "as above"))]

mod kernels;
