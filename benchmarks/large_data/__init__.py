"""What training takes on data of any size: generated data of a shape, and time and memory of each stage on it."""
