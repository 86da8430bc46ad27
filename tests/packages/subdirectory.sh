# shellcheck shell=bash disable=SC2154
# Sourced by check: the project with our folder in it.

# A project that takes the sources in: what it is given, and what is kept from it.
step_subdirectory() {
  local folder=$SCRATCH/subdirectory
  mkdir -p "$folder/source"
  cp "$here"/subdirectory/CMakeLists.txt "$SOURCE"/examples/tuned.cpp "$folder/source"
  "$CMAKE" -G Ninja -S "$folder/source" -B "$folder/build" -DOSDN_FOLDER="$SOURCE" -DCMAKE_CXX_COMPILER="$CXX" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="${LAUNCHER:-}" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >"$folder/log"
  # Nothing of our own discipline reaches the user.
  ! grep -q -e '-Werror' "$folder/build/compile_commands.json" || fail "-Werror reaches users"
  ! grep -q -e '-Wshadow[^"]*user\.dir' "$folder/build/compile_commands.json" || fail "our warnings reach the user's files"
  local targets
  targets=$("$CMAKE" --build "$folder/build" --target help)
  [[ $targets == *osdn_tune_worker* ]] || fail "the targets could not be read: $targets"
  ! grep -E '^(test_|bench_|example_|osdn_program|osdn_static)' <<<"$targets" || fail "more of ours is built than the user wants"
}

# Compiles the whole library once more.
step_subdirectory_built() {
  step_subdirectory
  local folder=$SCRATCH/subdirectory
  "$CMAKE" --build "$folder/build" --target user osdn_tune_worker -j 2 >>"$folder/log"
  rm -rf "$OSDN_TUNING_DIR-subdirectory"
  OSDN_TUNING_DIR=$OSDN_TUNING_DIR-subdirectory "$folder/build/user" "$EMULATOR" 3 | tee "$folder/out"
  grep -q 'tuned now' "$folder/out" || fail "it did not tune: $(cat "$folder/out")"
}
