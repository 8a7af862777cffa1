"""What is known of movies and users besides the ratings, encoded once for training and serving."""
