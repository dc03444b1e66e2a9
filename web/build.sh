#!/bin/sh
# Builds the page into a folder with cargo and wasm-bindgen alone, as Trunk does from the same index.html: what is copied, linked
# and compiled is read from its `data-trunk` lines. Trunk, which compiles for minutes, is needed for `trunk serve` only.
#
# usage: sh web/build.sh OUT [WORKER …]        workers: cpu, relaxed, gpu; all of them when none is named
set -eu
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { echo "usage: sh web/build.sh OUT [cpu] [relaxed] [gpu]" >&2; exit 2; }
out=$1
shift
workers=" ${*:-cpu relaxed gpu} "
for worker in $workers; do
  case $worker in cpu | relaxed | gpu) ;; *) echo "error: no worker is called $worker; there are cpu, relaxed and gpu" >&2; exit 2 ;; esac
done
target="${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown"

# The folder takes its name when it is whole.
stage="$out.new"
rm -rf "$stage"
mkdir -p "$stage"
stage=$(cd "$stage" && pwd)
checksum() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-16; }
setting() { sed -n "s/^$1 = '\(.*\)'$/\1/p" web/Trunk.toml; }
filled() { printf '%s' "$1" | sed -e "s|{base}|./|g" -e "s|{js}|$2|g" -e "s|{wasm}|$3|g"; }

# One line for each `<link data-trunk …>`: rel, href, program, worker or not, profile, features; `-` for what it has not.
links=$(awk '
  BEGIN { RS = ">" }
  function value(name) {
    if (!match($0, "[ \n]" name "=\"[^\"]*\"")) return "-"
    found = substr($0, RSTART, RLENGTH)
    sub(/^[^"]*"/, "", found); sub(/"$/, "", found)
    return found
  }
  /<link[ \n]+data-trunk[ \n]/ {
    print value("rel"), value("href"), value("data-bin"), value("data-type"), value("data-cargo-profile"), value("data-cargo-features")
  }' web/index.html)

# What stands in place of each of them, one a line.
: > "$stage/.links"
preload=""
while read -r rel href bin kind profile features; do
  instead=""
  name=$(basename "$href")
  case $rel in
    css | icon)
      name="${name%.*}-$(checksum < "web/$href").${name##*.}"
      cp "web/$href" "$stage/$name"
      [ "$rel" = css ] && rel=stylesheet
      instead="<link rel=\"$rel\" href=\"./$name\"/>"
      ;;
    copy-file | copy-dir) cp -R "web/$href" "$stage/$name" ;;
    rust)
      if [ "$kind" = worker ]; then case $workers in *" $features "*) ;; *) echo >> "$stage/.links"; continue ;; esac fi
      cargo build --quiet -p web --bin "$bin" --target wasm32-unknown-unknown --profile "$profile" --no-default-features \
        --features "$features" </dev/null
      wasm="$target/$profile/$bin.wasm"
      name=$bin
      [ "$kind" = worker ] || name="$bin-$(checksum < "$wasm")"
      wasm-bindgen --target web --no-typescript --out-dir "$stage" --out-name "$bin" "$wasm"
      # Named afterwards, as Trunk does: the program's imports carry the name that wasm-bindgen is given.
      if [ "$name" != "$bin" ]; then
        mv "$stage/$bin.js" "$stage/$name.js"
        mv "$stage/${bin}_bg.wasm" "$stage/${name}_bg.wasm"
      fi
      if [ "$kind" != worker ]; then
        preload=$(filled "$(setting pattern_preload)" "$name.js" "${name}_bg.wasm")
        instead=$(filled "$(setting pattern_script)" "$name.js" "${name}_bg.wasm")
      fi
      ;;
    *) echo "error: web/index.html has a link of an unknown kind: $rel" >&2; exit 1 ;;
  esac
  printf '%s\n' "$instead" >> "$stage/.links"
done <<LINKS
$links
LINKS

PRELOAD="$preload" awk -v list="$stage/.links" '
  BEGIN { while ((getline line < list) > 0) instead[++count] = line; RS = ">" }
  /<link[ \n]+data-trunk[ \n]/ { sub(/<link[ \n]+data-trunk.*/, ""); printf "%s%s", $0, instead[++at]; next }
  /<\/head$/ { sub(/<\/head$/, ENVIRON["PRELOAD"] "</head") }
  { printf "%s", $0; if ($0 ~ /<[^<]*$/) printf ">" }' web/index.html > "$stage/index.html"
rm "$stage/.links"
(cd web && export TRUNK_STAGING_DIR="$stage" && sh bundle-sizes.sh && sh service-worker.sh)
rm -rf "$out"
mv "$stage" "$out"
