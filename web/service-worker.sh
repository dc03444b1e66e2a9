# Trunk runs this after a build: writes sw.js, the service worker (assets/offline.js) behind a list of the page's files with
# their checksums. A new build is a new list, by which browsers notice it.
set -eu
code="$PWD/assets/offline.js"
cd "$TRUNK_STAGING_DIR"
checksum() { if command -v sha256sum > /dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi | cut -d ' ' -f 1; }
list=""
for file in index.html *.js *.css *.wasm *.svg *.webmanifest icons/*.png bundles.json NOTICES.md; do
  [ -f "$file" ] && [ "$file" != sw.js ] || continue
  list="$list${list:+, }\"$file\": \"$(checksum "$file")\""
done
version=$(printf '%s' "$list" | checksum -)
{ printf 'const FILES = { %s };\nconst VERSION = "%.16s";\n' "$list" "$version"; cat "$code"; } > sw.js
