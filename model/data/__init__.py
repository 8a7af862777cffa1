"""Data sets: read, validated, described, and split into what is learned from and what is predicted."""
