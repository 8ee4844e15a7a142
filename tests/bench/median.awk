# The median of one column of a row: value[row, column, 1..rounds[row]].
function median(row, column,   i, j, n, sorted, keep) {
  n = rounds[row]
  for (i = 1; i <= n; i++) {
    keep = value[row, column, i]
    for (j = i; j > 1 && sorted[j - 1] > keep; j--) sorted[j] = sorted[j - 1]
    sorted[j] = keep
  }
  return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}
