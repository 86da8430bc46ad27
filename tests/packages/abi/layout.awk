# The C ABI as debug information tells it (readelf --debug-dump=info, DWARF 4): every struct's fields with offset and
# type, its size, every enumerator, and every function, one line each.
function value(line) {  # of an attribute, whichever way this readelf writes it
  sub(/^[^:]*: */, "", line)
  sub(/^\((indirect|alt|strp|line_strp|indexed)[^)]*\) *\(offset: 0x[0-9a-f]+\): /, "", line)
  sub(/^\((indirect|indexed)[^)]*\): /, "", line)
  sub(/^\([a-z0-9_]+\) */, "", line)
  sub(/[ \t]+$/, "", line)
  return line
}

function reference(line) {
  match(line, /<0x[0-9a-f]+>/)
  return substr(line, RSTART + 3, RLENGTH - 4)
}

# The type as C writes it. A typedef is as far as it goes: what stands behind the standard's is the platform's.
function spelled(id) {
  if (id == "") return "void"
  if (tag[id] == "typedef" || tag[id] == "base_type") return name[id]
  if (tag[id] == "structure_type") return name[id] != "" ? "struct " name[id] : "struct"
  if (tag[id] == "const_type") return tag[type[id]] == "pointer_type" ? spelled(type[id]) " const" : "const " spelled(type[id])
  if (tag[id] == "pointer_type") return tag[type[id]] == "subroutine_type" ? function_type(type[id], "(*)") : spelled(type[id]) "*"
  if (tag[id] == "subroutine_type") return function_type(id, "")
  return tag[id] " " name[id]
}

function function_type(id, called,   i, arguments) {
  for (i = 1; i <= children[id]; i++) arguments = arguments (i > 1 ? ", " : "") spelled(type[child[id, i]])
  return spelled(type[id]) " " called "(" (arguments == "" ? "void" : arguments) ")"
}

function bytes_of(id) {
  if (tag[id] == "pointer_type") return 8
  return id in size ? size[id] : bytes_of(type[id])
}

function resolved(id) {
  while (tag[id] == "typedef" || tag[id] == "const_type") id = type[id]
  return id
}

# The fields of a struct that stands at `start` of the outermost; those of a struct without a name one by one.
function fields(id, prefix, start,   i, one, inner, ended) {
  ended = start
  for (i = 1; i <= children[id]; i++) {
    one = child[id, i]
    if (tag[one] != "member") continue  # clang lists the types that are declared inside, too
    if (start + place[one] != ended) print prefix name[one] ": " (start + place[one] - ended) " bytes of padding before it"
    inner = type[one]
    ended = start + place[one] + bytes_of(inner)
    if (tag[inner] == "structure_type" && name[inner] == "") fields(inner, prefix name[one] ".", start + place[one])
    else print prefix name[one] ": " spelled(inner) " at " start + place[one]
  }
  if (ended != start + size[id]) print prefix "(end): " (start + size[id] - ended) " bytes of padding before it"
}

/^ *<[0-9a-f]+><[0-9a-f]+>: Abbrev Number: 0/ { next }
/^ *<[0-9a-f]+><[0-9a-f]+>: Abbrev Number/ {
  split($0, part, /[<>]+/)
  depth = part[2] + 0
  id = part[3]
  match($0, /DW_TAG_[a-z_]+/)
  tag[id] = substr($0, RSTART + 7, RLENGTH - 7)
  above[depth] = id
  order[++count] = id
  if (depth > 0) child[above[depth - 1], ++children[above[depth - 1]]] = id
  next
}
/DW_AT_name/ { name[id] = value($0) }
/DW_AT_type/ { type[id] = reference($0) }
/DW_AT_byte_size/ { size[id] = value($0) + 0 }
/DW_AT_data_member_location/ { place[id] = value($0) + 0 }
/DW_AT_const_value/ { constant[id] = value($0) + 0 }

END {
  for (i = 1; i <= count; i++) {
    id = order[i]
    if (tag[id] == "enumerator" && name[id] ~ /^OSDN_/) print name[id] " = " constant[id]
    if (tag[id] == "variable" && sub(/^abi_of_/, "", name[id])) print function_type(type[type[id]], name[id])
    if (tag[id] != "typedef" || name[id] !~ /^osdn_/) continue
    described = resolved(id)
    if (tag[described] != "structure_type") print name[id] ": " spelled(type[id])
    else if (!(described in size)) print name[id] ": opaque"
    else {
      print name[id] ": " size[described] " bytes"
      fields(described, name[id] ".", 0)
    }
  }
}
