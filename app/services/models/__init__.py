"""The trained models: which are there, which is served, which were, how one is loaded, and what they know of users."""
