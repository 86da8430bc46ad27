# shellcheck shell=bash disable=SC2154
# Sourced by check: a project that takes the sources in. What it is given, and what is kept from it.

# configure_user FOLDER OURS: a project at FOLDER that has our sources at OURS.
configure_user() {
  mkdir -p "$1/source"
  cp "$here"/subdirectory/CMakeLists.txt "$SOURCE"/examples/tuned.cpp "$1/source"
  "$CMAKE" -G Ninja -S "$1/source" -B "$1/build" -DOSDN_FOLDER="$2" -DCMAKE_CXX_COMPILER="$CXX" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="${LAUNCHER:-}" -DCMAKE_CXX_FLAGS="${FLAGS:-}" -DCMAKE_BUILD_TYPE="$BUILD_TYPE" \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >"$1/log"
}

# tunes PROGRAM FOLDER: it finds the worker beside it.
tunes() {
  rm -rf "$OSDN_TUNING_DIR-subdirectory"
  OSDN_TUNING_DIR=$OSDN_TUNING_DIR-subdirectory "$1" "$EMULATOR" "$2" >"$SCRATCH/tuned"
  grep -q 'tuned now' "$SCRATCH/tuned" || fail "it did not tune: $(cat "$SCRATCH/tuned")"
}

# compile_commands FILE BUILD OURS: how each of our objects is compiled, whoever does it from wherever.
compile_commands() {
  sed -n 's/^  "command": "\(.*\)",$/\1/p' "$1" | grep -E '/CMakeFiles/osdn_[a-z_0-9]*\.dir/' |
    sed -e "s# -Werror # #g; s#$2#BUILD#g; s#$3\([ /]\)#OURS\1#g; s# osdn/# #g" | LC_ALL=C sort
}

# alone FILE BUILD: makes it without what ninja lets it wait for, which is the libraries that its own one uses.
alone() {
  mkdir -p "$2/${1%/*}"
  ninja -C "$2" -t commands "$1" | tail -n 1 >"$SCRATCH/command"
  (cd "$2" && sh "$SCRATCH/command")
}

# Our objects need not be compiled once more to know what they would be: where the commands are those of our own build,
# its objects are the user's.
step_subdirectory() {
  local folder=$SCRATCH/subdirectory ours=$SCRATCH/subdirectory/ours one
  rm -rf "$folder"
  mkdir -p "$ours"
  for one in "$SOURCE"/*; do  # all but what builds made there
    case ${one##*/} in build* | tests | docs) ;; *) cp -rs "$one" "$ours" ;; esac
  done
  # One of our files has what our compiler options warn of.
  rm "$ours/capi/host.cpp"
  echo 'int planted(double x); int planted(double x) { { int x = 0; } return x; }' >"$ours/capi/host.cpp"
  configure_user "$folder" "$ours"

  # Nothing of our own discipline reaches the user.
  local commands=$folder/build/compile_commands.json targets
  ! grep -q -e '-Werror' "$commands" || fail "-Werror reaches users"
  ! grep -E -e ' -(W|f)[^"]*/user\.dir/' "$commands" || [[ -n ${FLAGS:-} ]] || fail "our options reach the user's files"
  targets=$("$CMAKE" --build "$folder/build" --target help)
  [[ $targets == *osdn_tune_worker* ]] || fail "the targets could not be read: $targets"
  ! grep -E '^(test_|bench_|example_|osdn_program|osdn_static)' <<<"$targets" || fail "more of ours is built than the user wants"

  # Each of our objects is compiled as in our own build, but for -Werror.
  compile_commands "$commands" "$folder/build/osdn" "$ours" >"$SCRATCH/theirs"
  compile_commands "$BUILD/compile_commands.json" "$BUILD" "$SOURCE" >"$SCRATCH/own"
  [[ $(wc -l <"$SCRATCH/theirs") -gt 100 ]] || fail "the commands could not be read"
  LC_ALL=C comm -23 "$SCRATCH/theirs" "$SCRATCH/own" >"$SCRATCH/otherwise"
  [[ ! -s $SCRATCH/otherwise ]] || fail "compiled otherwise than in our own build: $(head -3 "$SCRATCH/otherwise")"

  # And from the same sources, generated ones included.
  local generated objects target
  generated=$(ninja -C "$folder/build" -t targets all | sed -n 's#^\(osdn/.*\.cpp\): CUSTOM_COMMAND$#\1#p')
  [[ $generated == *embedded.cpp* && $generated == *build_id.cpp* ]] || fail "what is generated could not be read: $generated"
  for one in $generated; do
    alone "$one" "$folder/build" >>"$folder/log"
    cmp "$folder/build/$one" "$BUILD/${one#osdn/}" || fail "$one is generated otherwise"
  done

  # So their archives are ours, and the user's program is linked with those, by the user's command.
  alone CMakeFiles/user.dir/tuned.cpp.o "$folder/build" || fail "the user's file does not compile"
  for target in user osdn_tune_worker; do
    ninja -C "$folder/build" -t commands $target | tail -n 1 >"$SCRATCH/command"
    objects=$(grep -oE '(^| )osdn/[^ ]*\.(a|o)\b' "$SCRATCH/command")
    [[ $objects == *libosdn_autotune.a* ]] || fail "the link command could not be read: $(cat "$SCRATCH/command")"
    for one in $objects; do
      mkdir -p "$folder/build/${one%/*}"
      ln -sf "$BUILD/${one#osdn/}" "$folder/build/$one"
    done
    (cd "$folder/build" && sh "$SCRATCH/command") || fail "$target cannot be linked"
  done
  tunes "$folder/build/user" 1

  # Our warnings are the user's to see and no errors, unless he asks for that.
  local object=osdn/capi/CMakeFiles/osdn_capi.dir/host.cpp.o
  alone $object "$folder/build" 2>"$SCRATCH/warned" || fail "a warning of ours is an error of the user: $(cat "$SCRATCH/warned")"
  grep -q 'warning: .*-W.*shadow' "$SCRATCH/warned" || fail "the planted warning is not seen: $(cat "$SCRATCH/warned")"
  "$CMAKE" -DOSDN_WARNINGS_AS_ERRORS=ON "$folder/build" >>"$folder/log"
  ! alone $object "$folder/build" 2>"$SCRATCH/warned" || fail "OSDN_WARNINGS_AS_ERRORS=ON does nothing"
  grep -q 'Werror' "$SCRATCH/warned" || fail "$(cat "$SCRATCH/warned")"
  # And this took seconds: all else that was linked is ours.
  [[ $(find "$folder/build" -name '*.o' -type f | wc -l) -le 2 ]] || fail "more was compiled than the user's file and the planted one"
}

# Compiles the whole library once more.
step_subdirectory_built() {
  local folder=$SCRATCH/subdirectory-built
  rm -rf "$folder"
  configure_user "$folder" "$SOURCE"
  "$CMAKE" --build "$folder/build" --target user osdn_tune_worker -j 2 >>"$folder/log"
  tunes "$folder/build/user" 3
}
