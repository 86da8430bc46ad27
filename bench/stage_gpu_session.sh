#!/usr/bin/env bash
# Packs what bench/gpu_session.sh needs on another machine into one folder: programs, the libraries they need beyond the
# C library's own, case files, scripts, and wheels of peers. There: FOLDER/bench/gpu_session.sh --out RESULTS
#
#   bench/stage_gpu_session.sh FOLDER [--wheels DIR] [--archive FILE.tar.gz]
#
# The build is the one in build/, or in OSDN_BUILD. Pure Python wheels (fla-core, einops …) are unpacked there, not
# installed; get them with: python3 -m pip download --no-deps --dest DIR fla-core
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${OSDN_BUILD:-$root/build}
folder='' wheels='' archive=''
while (($# > 0)); do
  case $1 in
    --wheels) wheels=$2; shift ;;
    --archive) archive=$2; shift ;;
    -*) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
    *) folder=$1 ;;
  esac
  shift
done
[[ -n $folder ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }

programs=(osdn osdn-tune-worker bench_forward bench_device_check example_server libosdn.so libosdn_emulator.so)
for program in "${programs[@]}"; do
  [[ -e $build/$program ]] || {
    echo "$build/$program is not there: cmake --build build --target osdn_program osdn_tune_worker osdn_shared" \
      "osdn_emulator bench_forward bench_device_check example_server" >&2
    exit 1
  }
done

rm -rf "${folder:?}"/{bin,lib,include,python,tests/python}
mkdir -p "$folder"/{bin,lib,bench/data,include/osdn,python/osdn,tests/data/golden,tests/python,wheels}
for program in "${programs[@]}"; do
  cp "$build/$program" "$folder/bin/"
  strip --strip-unneeded "$folder/bin/$program"
done
# The C library, its loader and the driver are the other machine's. What is older there is replaced by ours.
for program in "${programs[@]}"; do ldd "$build/$program"; done |
  awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
  grep -Ev '/(libc|libm|libdl|librt|libpthread|ld-linux[^/]*|libcuda)\.so' |
  while read -r library; do cp -L "$library" "$folder/lib/"; done
cp "$root"/bench/{gpu_session.sh,peers.py,peers_torch.py,summary.py,plot} "$folder/bench/"
cp "$root/bench/data/shapes.json" "$folder/bench/data/"
cp "$root"/tests/data/golden/*.safetensors "$folder/tests/data/golden/"
cp "$root"/python/osdn/*.py "$folder/python/osdn/"
cp "$root"/tests/python/*.py "$folder/tests/python/"
cp -r "$root"/include/osdn/{osdn.h,c} "$folder/include/osdn/"
[[ -z $wheels ]] || cp "$wheels"/*.whl "$folder/wheels/"
git -C "$root" describe --always --dirty >"$folder/COMMIT" 2>/dev/null || echo unknown >"$folder/COMMIT"
[[ -z $archive ]] || tar -C "$(dirname "$folder")" -czf "$archive" "$(basename "$folder")"
du -sh "$folder" | cut -f 1 | sed "s|\$| in $folder, commit $(cat "$folder/COMMIT")|"
