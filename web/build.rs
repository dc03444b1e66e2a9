//! Leaves function names out of the WASM files (a quarter of their size), but keeps the section by which wasm-bindgen
//! knows that 128-bit vectors are in use; `strip` in the profile would take both.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-bins=--strip-all");
        println!("cargo::rustc-link-arg-bins=--keep-section=target_features");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
