"""Measurements: speed, size of the data, quality, and other libraries on the same protocols.

Nothing in `app` or `model` imports it.
"""
