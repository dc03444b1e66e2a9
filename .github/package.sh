#!/bin/sh
# Packs a built trainer with the page, the demonstration's data, completions and manual pages: run from the repository's root,
# it leaves solstice-TARGET[SUFFIX].tar.gz (.zip for Windows) there. `trainer demo` and `trainer serve` look for page/ and demo/
# beside the program; `cargo binstall` finds the archive by trainer/Cargo.toml.
#
# usage: sh .github/package.sh TARGET SUFFIX PAGE-FOLDER
set -eu
target=$1 suffix=$2 page=$3
name="solstice-$target$suffix"
case $target in *windows*) program=trainer.exe ;; *) program=trainer ;; esac

rm -rf "$name"
mkdir -p "$name/completions"
cp "${CARGO_TARGET_DIR:-target}/$target/debug/$program" "$name/"
cp -R "$page" "$name/page"
cp -R public/demo "$name/demo"
cp README.md LICENSE-APACHE LICENSE-MIT public/NOTICES.md "$name/"
for shell in bash zsh fish powershell elvish; do
  "./$name/$program" completions "$shell" >"$name/completions/trainer.$shell"
done
"./$name/$program" man --out "$name/man"
case $target in
  *windows*) 7z a -bso0 "$name.zip" "$name" ;;
  *) tar -czf "$name.tar.gz" "$name" ;;
esac
