# Prints the rows of the drill's benchmark as two Markdown tables with the median of each column.
# Needs median.awk before it.
BEGIN {
  title["person"] = "`createdb; pg_restore -j2`, stock settings (a person)"
  title["steps"] = "the steps of a drill, by the programs that there are for each"
  title["off"] = "`verify run`, `VERIFY_CONTENT=off`"
  title["full"] = "`verify run`, `VERIFY_CONTENT=full`"
}
{
  if (!($1 in rounds)) order[++rows] = $1
  rounds[$1]++
  for (column = 2; column <= NF; column++) value[$1, column, rounds[$1]] = $column
}

END {
  print "| | wall s | of the person's | CPU s, with PostgreSQL | peak MiB |"
  print "| --- | ---: | ---: | ---: | ---: |"
  for (i = 1; i <= rows; i++) {
    row = order[i]
    # What GNU time knows of these rows is their largest process, which is none of ours.
    peak = row == "person" || row == "steps" ? "-" : sprintf("%.0f", median(row, 4) / 1024)
    printf "| %s | %.1f | %.2f | %.1f | %s |\n", title[row], median(row, 2), median(row, 2) / median("person", 2), median(row, 3), peak
  }
  print "\n| seconds of | fetch | server | data | post-data | checks | whole drill |"
  print "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
  for (i = 1; i <= rows; i++) {
    row = order[i]
    if (row == "person" || row == "steps") continue
    printf "| %s |", title[row]
    for (column = 5; column <= 10; column++) printf " %.1f |", median(row, column)
    print ""
  }
}
