"""Squares numbers."""
import sys

for word in sys.argv[1:]:
    print(int(word) ** 2)
