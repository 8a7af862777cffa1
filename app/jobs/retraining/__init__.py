"""The model is trained anew on what the database holds, and served if it is better for what came since."""
