"""How fast the service answers, measured beside a route that computes nothing.

Ratios to that bare route say more than seconds: both are measured in one run, in turns, on the same machine.
"""
