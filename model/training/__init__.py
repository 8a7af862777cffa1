"""Training: one loop, its tasks, checkpoints, presets and estimators."""
