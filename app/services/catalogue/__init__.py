"""The catalogue in memory: its rows, the columns that lists are filtered by, and the search by title."""
