# Trunk runs this after a build: writes bundles.json, the sizes of the worker bundles, which the page's progress needs.
set -eu
cd "$TRUNK_STAGING_DIR"
list=""
for file in solstice-*_bg.wasm; do
  case "$file" in solstice-cpu_bg.wasm | solstice-cpu-relaxed_bg.wasm | solstice-gpu_bg.wasm) ;; *) continue ;; esac
  list="$list${list:+,}{\"file\":\"$file\",\"bytes\":$(($(wc -c < "$file")))}"
done
printf '{"format_version":1,"bundles":[%s]}' "$list" > bundles.json
