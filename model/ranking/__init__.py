"""Lists: what they are judged by, the protocols applied, and the models that make them."""
