#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (solstice_tests::hostile::decoder("gallery").read)(bytes));
