"""Training: tasks, the loop that they share, checkpoints and presets."""
