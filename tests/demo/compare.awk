# Compares three files: what the manifest promises, the facts of the source, the facts of the restored
# database. Prints a table and ends with status 1 if anything differs or is missing.
BEGIN { FS = "|" }
FILENAME == ARGV[1] { promised[$1] = $2; next }
{ key = $1 "|" $2 }
FILENAME == ARGV[2] { source[key] = $3; order[++facts] = key; next }
{ restored[key] = $3 }

function verdict(equal) {
  if (!equal) differences++
  return equal ? "equal" : "DIFFERS"
}

END {
  printf "%9s %9s %9s  %-8s  %s\n", "source", "manifest", "restored", "contents", "table"
  for (i = 1; i <= facts; i++) {
    key = order[i]
    split(key, part, "|")
    kind = part[1]
    same = (key in restored) && restored[key] == source[key]
    if (kind == "table" || kind == "materialized view") {
      split(source[key], was, " ")
      split(restored[key], is, " ")
      promise = (part[2] in promised) ? promised[part[2]] : "-"
      # A materialized view is computed again by the restore, so a manifest need not count it.
      kept = promise == was[1] || (promise == "-" && kind == "materialized view")
      printf "%9s %9s %9s  %-8s  %s\n", was[1], promise, (key in restored) ? is[1] : "-", verdict(same && kept), part[2]
      if (kind == "table") tables++
      continue
    }
    if (kind != previous) kinds[++groups] = kind
    previous = kind
    total[kind]++
    if (same) good[kind]++
    else { differences++; wrong[kind] = wrong[kind] " " part[2] }
  }
  print ""
  for (g = 1; g <= groups; g++) {
    kind = kinds[g]
    label = kind == "objects" ? "kinds of objects, in number and definition" : kind "s"
    printf "%d of %d %s equal%s\n", good[kind], total[kind], label, (kind in wrong) ? "; DIFFERENT:" wrong[kind] : ""
  }
  for (key in restored) if (!(key in source)) { differences++; print "NOT IN THE SOURCE: " key }
  # An empty file compares equal to an empty file, and would prove nothing.
  if (tables == 0) { differences++; print "NO TABLES WERE COMPARED" }
  exit differences > 0
}
