# Trunk runs this after a build: writes bundles.json, the sizes of the worker bundles, which the page's progress needs.
set -eu
cd "$TRUNK_STAGING_DIR"
list=""
for file in solstice-*_bg.wasm; do
  case "$file" in solstice-cpu_bg.wasm | solstice-cpu-relaxed_bg.wasm | solstice-gpu_bg.wasm) ;; *) continue ;; esac
  list="$list${list:+,}{\"file\":\"$file\",\"bytes\":$(($(wc -c < "$file")))}"
done
# What is fetched before the first answer, compressed: the page and one worker. A page that grows over this is not built.
limit=1500000
packed() { if [ $# -gt 0 ] && [ -f "$1" ]; then for file; do gzip -9 -c "$file"; done | wc -c; else echo 0; fi; }
program=$(ls solstice-*.js solstice-*_bg.wasm | grep -v -E '^solstice-(cpu|gpu)')
# Names of the build's own have no spaces.
page=$(packed index.html ./*.css boot.js worker.js $program)
for worker in solstice-cpu solstice-cpu-relaxed; do
  [ -f "${worker}_bg.wasm" ] || continue
  path=$((page + $(packed "$worker.js" "${worker}_bg.wasm")))
  echo "$worker: $path bytes compressed before the first answer, of $limit"
  [ "$path" -le "$limit" ] || { echo "error: the page has outgrown its limit" >&2; exit 1; }
done
printf '{"format_version":1,"bundles":[%s]}' "$list" > bundles.json
