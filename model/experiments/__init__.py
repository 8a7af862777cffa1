"""Experiments that reproduce published tables and figures, and what is needed to run and show them."""
