"""Helm's own renderer, for check.py: reads cases as JSON from standard input, prints what became of each.

A case is the values of a release; its result is {"manifests": {file: text}} or {"error": message}. The first line of
the output is the report of `helm lint`.
"""

import json
import sys

from helm_python.chart import Chart, lint

folder, *_ = sys.argv[1:]
cases = json.load(sys.stdin)
results = {}
with Chart.load(folder) as chart:
    for name, values in cases.items():
        try:
            chart.validate_schema(values)
            results[name] = {"manifests": chart.render(values, name="postgres-backup", namespace="here")}
        except Exception as error:
            results[name] = {"error": str(error)}
# `helm lint` renders with values, too.
print(json.dumps({"lint": lint(folder, cases["everything"], strict=True), "results": results}))
