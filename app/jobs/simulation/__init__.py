"""Real users' held-out ratings are played against a running service, to see whether its loop of retraining learns."""
