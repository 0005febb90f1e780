"""Solves x**3 - 2 x - 5 = 0, which Newton used as an example."""
from scipy.optimize import brentq

print(f"x = {brentq(lambda x: x**3 - 2 * x - 5, 2, 3):.4f}")
