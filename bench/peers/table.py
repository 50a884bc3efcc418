"""Reads figures, one JSON object a line, and prints them by case, with how many times our time each peer needs."""
import json
import sys

figures = {}
for line in sys.stdin:
    figure = json.loads(line)
    figures.setdefault((figure["case"], figure["entries"]), {})[figure["peer"]] = figure["us"]
print(f"{'case':<15}{'entries':>9}{'ours, us':>12}{'MSAL Python, us':>18}{'':>10}{'msal-node, us':>16}{'':>10}")
for (case, entries), us in figures.items():
    ours = us["shared-auth"]
    python, node = us["MSAL Python"], us["msal-node"]
    print(f"{case:<15}{entries:>9}{ours:>12.3f}{python:>18.1f}{python / ours:>8.0f} x{node:>16.1f}{node / ours:>8.0f} x")
