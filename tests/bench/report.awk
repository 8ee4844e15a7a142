# Prints the rows of one database (-v database=...) as a Markdown table with the median of each column.
# Needs median.awk before it.
BEGIN {
  title["floor"] = "`pg_dump -Fc -Z0 > /dev/null` (the floor)"
  title["zstd"] = "`backup run`"
  title["age"] = "`backup run`, `age`"
  title["cbc"] = "`backup run`, `aes-256-cbc`"
  title["gzip"] = "`backup run`, gzip level 6"
  title["pipe"] = "`pg_dump \\| gzip \\| aws s3 cp -`"
  title["file"] = "`pg_dump -Fc > file; aws s3 cp file`"
}
$1 == database {
  if (!($2 in rounds)) order[++rows] = $2
  rounds[$2]++
  for (column = 3; column <= 8; column++) value[$2, column, rounds[$2]] = $column
}

END {
  print "| | wall s | of the floor | CPU s, ours | CPU s, PostgreSQL | CPU s, S3 server | peak MiB | stored MiB |"
  print "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
  for (i = 1; i <= rows; i++) {
    row = order[i]
    stored = median(row, 6) / 1048576
    printf "| %s | %.1f | %.2f | %.1f | %.1f | %.1f | %.0f | %s |\n", title[row], median(row, 3), median(row, 3) / median("floor", 3),
      median(row, 4), median(row, 7), median(row, 8), median(row, 5) / 1024, (stored > 0 ? sprintf("%.0f", stored) : "-")
  }
}
