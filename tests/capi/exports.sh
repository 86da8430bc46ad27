#!/bin/bash
# What leaves libosdn.so: exactly the C functions that the headers declare, and of C++ what they mark and no more.
# usage: exports.sh <libosdn.so> <include folder>
set -u
library=$1
headers=$2
failed=0
complain() { echo "$*"; failed=1; }

symbols=$(nm -D --defined-only "$library" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | sort -u)
[ -n "$symbols" ] || complain "nm finds no symbols in $library"

exported=$(grep -v '^_Z' <<<"$symbols")
declared=$(sed -n 's/^OSDN_API .*[ *]\(osdn_[a-z0-9_]*\)(.*/\1/p' "$headers"/osdn/c/*.h | sort -u)
[ -n "$declared" ] || complain "no functions are declared in $headers/osdn/c"
for name in $(comm -13 <(echo "$declared") <(echo "$exported")); do complain "$name is exported, but not declared"; done
for name in $(comm -23 <(echo "$declared") <(echo "$exported")); do complain "$name is declared, but not exported"; done

# Members of the public classes, and the public functions.
public='^osdn::(Engine|DeviceBuffer|PreparedOperation|Tuner|Exception)::|^osdn::(canonical|find_preset|name|parse_config|parse_problem|parse_shape|presets|to_string|validate)(\[abi:[a-z0-9]+\])?\(|^(typeinfo|typeinfo name|vtable) for osdn::(Exception|Engine|DeviceBuffer|PreparedOperation|Tuner)$'
demangled=$(grep '^_Z' <<<"$symbols" | c++filt)
while read -r name; do
  [ -z "$name" ] || grep -qE "$public" <<<"$name" || complain "$name is exported, but not public"
done <<<"$demangled"
for wanted in 'osdn::Engine::create(' 'osdn::Engine::prepare(' 'osdn::PreparedOperation::launch(osdn::ForwardArguments' \
              'osdn::PreparedOperation::launch(osdn::DecodeArguments' 'osdn::DeviceBuffer::upload(' \
              'osdn::Tuner::create(' 'osdn::Tuner::warm_up(' 'osdn::canonical(' 'osdn::parse_problem' \
              'osdn::parse_config' 'osdn::parse_shape' 'osdn::presets' 'osdn::find_preset(' \
              'typeinfo for osdn::Exception'; do
  grep -qF "$wanted" <<<"$demangled" || complain "$wanted is public, but not exported"
done
echo "$(wc -l <<<"$exported") C functions and $(wc -l <<<"$demangled") C++ symbols leave $(basename "$library")"
exit $failed
