# shellcheck shell=bash disable=SC2154
# Sourced by check: the Debian packages.

step_debian() {
  command -v dpkg-shlibdeps >/dev/null || skip "no dpkg-dev"
  local folder=$SCRATCH/debian
  rm -rf "$folder"
  mkdir -p "$folder"
  # What a packager's umask is must not show in what gets installed.
  (umask 077 && cd "$folder" && "$(dirname "$CMAKE")/cpack" --config "$BUILD/CPackConfig.cmake" -G DEB -B "$folder" >"$folder/log") || fail "$(cat "$folder/log")"
  local package contents one
  for package in libosdn0 libosdn-dev osdn; do
    compgen -G "$folder/${package}_*.deb" >/dev/null || fail "there is no $package"
    contents=$(dpkg-deb --contents "$folder/${package}"_*.deb)
    [[ $contents == *"/usr/share/doc/$package/copyright"* ]] || fail "$package has no copyright file"
    [[ $contents == *"/usr/share/doc/$package/changelog.Debian.gz"* ]] || fail "$package has no changelog"
    ! grep -vE ' root/root ' <<<"$contents" || fail "$package has files of users"
    ! grep -vE '^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--|lrwxrwxrwx) ' <<<"$contents" || fail "$package has files that not all may read"
    ! grep -vE ' \./(usr/.*)?$| \./usr/[^ ]* -> [^/]*$' <<<"$contents" || fail "$package has files outside /usr"
    for one in preinst postinst prerm postrm; do
      ! dpkg-deb --info "$folder/${package}"_*.deb $one >/dev/null 2>&1 || fail "$package runs a script: $one"
    done
  done
  contents=$(dpkg-deb --contents "$folder"/libosdn0_*.deb)
  [[ $contents == *"libosdn.so.0 -> "* ]] || fail "libosdn0 lacks its soname"
  ! grep -E '\.(h|hpp|a|pc|cmake)$|libosdn\.so( |$)' <<<"$contents" || fail "libosdn0 has development files"
  contents=$(dpkg-deb --contents "$folder"/libosdn-dev_*.deb)
  local wanted
  for wanted in osdn.h engine.hpp libosdn.a 'libosdn.so -> ' osdn-config.cmake osdn.pc; do
    [[ $contents == *"/$wanted"* ]] || fail "libosdn-dev lacks $wanted"
  done
  contents=$(dpkg-deb --contents "$folder"/osdn_*.deb)
  for wanted in bin/osdn libexec/osdn/osdn-tune-worker osdn/libosdn_emulator.so; do
    [[ $contents == *"/$wanted"* ]] || fail "the package osdn lacks $wanted"
  done
  dpkg-deb --field "$folder"/libosdn0_*.deb Depends | tee "$folder/depends"
  [[ $(cat "$folder/depends") == *libc6* ]] || fail "what libosdn0 depends on could not be read"
  ! sed 's/ *([^)]*)//g; s/, /\n/g' "$folder/depends" | grep -vE '^(libc6|libstdc\+\+6|libgcc-s1)$' || fail "libosdn0 depends on more"
  [[ $(dpkg-deb --field "$folder"/libosdn-dev_*.deb Depends) == "libosdn0 (= "* ]] || fail "libosdn-dev lets any libosdn0 pass"
}

# dpkg_in_root OPTION…: dpkg on a root of its own, which knows of this system what our packages depend on.
# It wants ldconfig on the PATH, which is root's to have there.
dpkg_in_root() { PATH=$PATH:/usr/sbin:/sbin "${privilege[@]}" dpkg --root="$root" --force-not-root --force-unsafe-io --log="$SCRATCH/dpkg.log" "$@" >"$SCRATCH/dpkg" 2>&1; }

new_root() {
  rm -rf "$root"
  mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
  dpkg-query --status libc6 libgcc-s1 libstdc++6 "gcc-$(dpkg-query -W -f '${Version}' libgcc-s1 | cut -d. -f1)-base" >"$root/var/lib/dpkg/status"
}

# Every package that the files of a package need is in its Depends, and no other.
needs_what_it_says() {
  local package=$1 file found="" owners said one
  said=$(dpkg-deb --field "$SCRATCH/debian/$package"_*.deb Depends | sed 's/ *([^)]*)//g; s/, /\n/g')
  rm -rf "$SCRATCH/unpacked"
  dpkg-deb --extract "$SCRATCH/debian/$package"_*.deb "$SCRATCH/unpacked"
  while IFS= read -r file; do
    for one in $(readelf -d "$file" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'); do
      owners=$(dpkg-query --search "*/$one" 2>/dev/null | sed 's/:.*//' | sort -u)
      grep -qxF "$owners" <<<"$said" || fail "$package: ${file##*/} needs $one of ${owners:-nobody}, which Depends lacks"
      found+="$owners"$'\n'
    done
  done < <(find "$SCRATCH/unpacked" -type f \( -name '*.so*' -o -perm -100 \))
  [[ -n $found ]] || fail "$package: nothing was read of what it needs"
  for one in $said; do grep -qxF "$one" <<<"$found" || fail "$package depends on $one without need"; done
}

# The packages go into a root of their own, work there, and leave nothing behind.
step_debian_installed() {
  command -v dpkg >/dev/null || skip "no dpkg"
  compgen -G "$SCRATCH/debian/*.deb" >/dev/null || skip "packages_debian made none"
  local root=$SCRATCH/debian-root privilege=() left
  if ((EUID != 0)); then
    command -v fakeroot >/dev/null || skip "neither root nor fakeroot"
    privilege=(fakeroot)
  fi
  needs_what_it_says libosdn0
  needs_what_it_says osdn

  new_root
  ! dpkg_in_root --install "$SCRATCH/debian"/libosdn-dev_*.deb || fail "libosdn-dev is content without its library"
  grep -q 'libosdn-dev depends on libosdn0' "$SCRATCH/dpkg" || fail "$(cat "$SCRATCH/dpkg")"
  new_root
  dpkg_in_root --install "$SCRATCH/debian"/*.deb || fail "$(cat "$SCRATCH/dpkg")"
  [[ $(dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${db:Status-Abbrev}${Package}\n' | grep -c '^ii .*osdn') == 3 ]] ||
    fail "not all of them are installed"
  left=$(cd "$root" && find . -type f -o -type l | grep -v -e '^\./usr/' -e '^\./var/lib/dpkg/' || true)
  [[ -z $left ]] || fail "files outside /usr: $left"
  knows_its_makers "$root/usr"

  finds_its_parts "$root/usr"
  "${CC:-cc}" "$here/makefile/version.c" -I "$root/usr/include" -L "$root/usr/$LIBDIR" -losdn -o "$SCRATCH/version"
  # Without ldconfig: by the soname's link, which the library's own package has.
  dpkg_in_root --remove libosdn-dev || fail "$(cat "$SCRATCH/dpkg")"
  LD_LIBRARY_PATH=$root/usr/$LIBDIR "$SCRATCH/version" "$root/usr/$LIBDIR/osdn/libosdn_emulator.so"

  dpkg_in_root --install "$SCRATCH/debian"/libosdn-dev_*.deb || fail "$(cat "$SCRATCH/dpkg")"
  ! dpkg_in_root --remove libosdn0 || fail "libosdn0 went while libosdn-dev needs it"
  dpkg_in_root --purge libosdn-dev osdn libosdn0 || fail "$(cat "$SCRATCH/dpkg")"
  left=$(find "$root" -mindepth 1 -not -path "$root/var*")
  [[ -z $left ]] || fail "left behind: $left"
}
