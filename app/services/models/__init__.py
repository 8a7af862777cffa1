"""The trained models: which are there, which is served, which were, and how one is loaded."""
