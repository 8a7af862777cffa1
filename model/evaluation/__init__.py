"""Evaluation: what a model has to offer, metrics of stars and of lists, and the scoring of both."""
