"""Data sets: read, validated, summarized, and split into training, validation and test examples."""
