"""Experiments that reproduce published tables and figures."""
