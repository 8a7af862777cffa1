"""A trained model on disk and in memory: what the service imports."""
