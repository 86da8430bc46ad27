# shellcheck shell=bash
# Sourced by scripts/demo and scripts/test: installs what is missing, configures and builds. Nothing here runs twice
# for nothing: with everything in place it costs a few process starts.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
build=$project/build

# A root shell in a container or a service may come without HOME.
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
export HOME
nvrtc_folder=${XDG_DATA_HOME:-$HOME/.local/share}/osdn/nvrtc

say() { printf '== %s\n' "$*" >&2; }

die() {
  printf '\n' >&2
  printf '%s\n' "$@" >&2
  exit 1
}

# quietly LINES COMMAND…: shows the command's output only if it fails, its last LINES lines.
quietly() {
  local lines=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    return 0
  fi
  tail -n "$lines" "$log" >&2
  rm -f "$log"
  return 1
}

# What the build needs: a tool counts as present wherever it came from, a library when its Debian package is there.
missing_packages() {
  local libraries=(libfmt-dev libcli11-dev nlohmann-json3-dev libxxhash-dev libgtest-dev)
  [[ -n ${CXX:-} ]] || command -v c++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v ninja >/dev/null || echo ninja-build
  if command -v dpkg-query >/dev/null; then
    local installed
    installed=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "${libraries[@]}" 2>/dev/null | sed -n 's/^ii *//p' || true)
    local library
    for library in "${libraries[@]}"; do
      grep -qx "$library" <<<"$installed" || echo "$library"
    done
  fi
  if [[ $1 == with_pip ]]; then
    python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
  fi
  return 0
}

install_packages() {
  (($# > 0)) || return 0
  command -v apt-get >/dev/null ||
    die "This system has no apt. Please install what Debian 12 calls: $*" "and run this script again."
  ((EUID == 0)) ||
    die "These Debian packages are missing, and only root can install them:" "" "  sudo apt-get install $*" "" \
      "Then run this script again."
  say "installing $* (with apt, this takes a while)"
  export DEBIAN_FRONTEND=noninteractive
  local options=(-o DPkg::Lock::Timeout=300)
  # A certificate bundle that was put there by hand is replaced when its package arrives: pip shall still trust it.
  local bundle=/etc/ssl/certs/ca-certificates.crt
  kept=$(mktemp)
  cp "$bundle" "$kept" 2>/dev/null || true
  if ! { quietly 5 apt-get "${options[@]}" update &&
    quietly 5 apt-get "${options[@]}" install --yes --no-install-recommends "$@"; }; then
    rm -f "$kept"
    die "apt could not install these packages (is the package mirror reachable?):" "" "  apt-get install $*" "" \
      "Install them by hand and run this script again: with nothing missing it needs no network."
  fi
  if [[ -s $kept && ${PIP_CERT:-$bundle} == "$bundle" ]] && ! cmp -s "$kept" "$bundle"; then
    export PIP_CERT=$kept
  fi
}

# The major version of CUDA that the installed driver serves; nothing where there is no GPU.
driver_major() {
  command -v nvidia-smi >/dev/null || return 0
  nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9]*\)\..*/\1/p' | head -n 1
}

# have_nvrtc [MAJOR]: whether an NVRTC from 12.4 on, of a major not above MAJOR, lies where the library looks. The
# library looks in more places; what counts is that it looks in all of these.
have_nvrtc() {
  [[ -z ${OSDN_NVRTC_LIBRARY:-} ]] || return 0
  local folders=("$nvrtc_folder") split builtins folder version
  IFS=: read -r -a split <<<"${LD_LIBRARY_PATH:-}"
  folders+=("${split[@]}" "${CUDA_HOME:-}"/lib64 "${CUDA_PATH:-}"/lib64 /usr/local/cuda*/lib64)
  folders+=("${VIRTUAL_ENV:-}"/lib/python3*/site-packages/nvidia/*/lib /usr/lib/*-linux-gnu)
  for folder in "${folders[@]}"; do
    for builtins in "$folder"/libnvrtc-builtins.so.*.*; do
      version=${builtins##*/libnvrtc-builtins.so.}
      [[ $version =~ ^([0-9]+)\.([0-9]+)$ && -e $folder/libnvrtc.so.${BASH_REMATCH[1]} ]] || continue
      ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] >= 1204)) || continue
      ((BASH_REMATCH[1] <= ${1:-99})) && return 0
    done
  done
  return 1
}

# fetch_wheel REQUIREMENTS FOLDER: with pip, which knows the network's package index; its hash is checked. Unpacks it into
# FOLDER/wheel.
fetch_wheel() {
  quietly 3 python3 -m pip download --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: \
    --require-hashes --requirement "$1" --dest "$2" &&
    python3 -m zipfile --extract "$2"/*.whl "$2/wheel"
}

# Keeps the two libraries that the compiler consists of. The one that is opened by name is moved into place last.
install_nvrtc() {
  local major=13 work wheel
  [[ -z ${1:-} ]] || (($1 >= 13)) || major=12
  say "fetching NVRTC, CUDA's run-time compiler, into $nvrtc_folder"
  mkdir -p "$nvrtc_folder"
  work=$(mktemp -d "$nvrtc_folder/.incoming.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf $(printf %q "$work")" EXIT
  wheel=$(sed -n 's/^\(nvidia[^ ]*\).*/\1/p' "$project/scripts/lib/nvrtc-$major.txt")
  fetch_wheel "$project/scripts/lib/nvrtc-$major.txt" "$work" ||
    die "pip could not fetch the wheel $wheel (is the package index reachable?)." \
      "Without a network: fetch it elsewhere with 'pip download --no-deps $wheel', unzip it, and copy" \
      "libnvrtc.so.$major and libnvrtc-builtins.so.$major.* into $nvrtc_folder," \
      "or set OSDN_NVRTC_LIBRARY to a libnvrtc.so.12 or later that is already there."
  mv -f "$work"/wheel/nvidia/*/lib/libnvrtc-builtins.so.* "$nvrtc_folder/"
  mv -f "$work"/wheel/*.dist-info/licenses/License.txt "$nvrtc_folder/License-$major.txt"
  mv -f "$work"/wheel/nvidia/*/lib/libnvrtc.so."$major" "$nvrtc_folder/"
  rm -rf "$work"
  trap - EXIT
}

# The Python package's tests need NumPy and the means to make an environment; without them they are skipped, and say so.
python_for_tests() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import ensurepip, numpy' 2>/dev/null && return 0
  done
  if command -v apt-get >/dev/null && ((EUID == 0)); then
    say "installing python3-numpy and python3-venv, for the tests of the Python package"
    export DEBIAN_FRONTEND=noninteractive
    local options=(-o DPkg::Lock::Timeout=300)
    quietly 5 apt-get "${options[@]}" update &&
      quietly 5 apt-get "${options[@]}" install --yes --no-install-recommends python3-numpy python3-venv && return 0
  fi
  say "without python3-numpy and python3-venv the tests of the Python package are skipped"
}

# Tests that read machine code need a disassembler; where none can be had they are skipped, and say so.
disassembler() {
  [[ -z ${OSDN_NVDISASM:-} ]] && ! command -v nvdisasm >/dev/null || return 0
  local folder=${nvrtc_folder%/*}/nvdisasm work
  if [[ ! -x $folder/nvdisasm ]]; then
    say "fetching nvdisasm, CUDA's disassembler, into $folder"
    if mkdir -p "$folder" && work=$(mktemp -d "$folder/.incoming.XXXXXX"); then
      if fetch_wheel "$project/scripts/lib/nvdisasm.txt" "$work"; then
        chmod +x "$work"/wheel/nvidia/*/bin/nvdisasm
        mv -f "$work"/wheel/nvidia/*/bin/nvdisasm "$folder/"
      fi
      rm -rf "$work"
    fi
  fi
  if [[ -x $folder/nvdisasm ]]; then
    export OSDN_NVDISASM=$folder/nvdisasm
  else
    say "without it the tests that read machine code are skipped"
  fi
}

# Installs what is missing. Everything that apt must bring is named in one message, not one by one.
setup() {
  local driver missing pip=with_pip kept=
  driver=$(driver_major)
  if have_nvrtc "$driver"; then pip=without_pip; fi
  missing=$(missing_packages $pip)
  # shellcheck disable=SC2086
  install_packages $missing
  if [[ $pip == with_pip ]]; then install_nvrtc "$driver"; fi
  rm -f "$kept"
}

# build [TARGET…]: configures when that has not been done for this folder, and builds with the release preset.
build() {
  mkdir -p "$build"
  local lock
  exec {lock}>"$build/.scripts.lock"
  flock "$lock" # the two scripts may run at the same time
  local configured_for
  configured_for=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt" 2>/dev/null || true)
  if [[ ! -e $build/build.ninja || $configured_for != "$project" ]]; then
    say "configuring"
    (cd "$project" && quietly 30 cmake --preset release --fresh) || die "cmake could not configure the project."
  fi
  say "building"
  cmake --build "$build" ${1:+--target "$@"} >&2
  exec {lock}>&-
}
