"""HTTP: the application's routes, and all conversion between bodies and domain objects."""
