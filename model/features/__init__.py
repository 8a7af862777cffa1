"""Features of movies and users besides ratings: one encoding for training and serving."""
