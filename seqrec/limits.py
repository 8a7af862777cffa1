"""Limits of what the service accepts, for programs that want to know them before they ask."""

LARGEST_ID = 2**63 - 1
"""Of users and movies: what a column of 64 bits holds."""

LARGEST_TMDB_ID = 2**31 - 1
"""Of a movie at TMDB."""

LONGEST_EXTERNAL_ID = 128
"""In characters, of the id that a user or a movie has in another system."""

MOST_MOVIES = 1000
"""Movies, or pairs of user and movie, in one request."""

MOST_USERS = 1000
"""Users in one request for lists."""

MOST_RATINGS = 10_000
"""Ratings in one request, and in the history of an anonymous user; an import has no limit."""

MOST_EVENTS = 10_000
"""Events in one request; an import has no limit."""

MOST_GENRES = 50
"""Genres in one filter."""

EARLIEST_YEAR, LATEST_YEAR = 1800, 2200
"""Of a movie's release."""

LATEST = 253_402_300_799
"""The last second of the year 9999, in seconds since 1970: milliseconds sent by mistake are beyond it."""

MOST_SECONDS_AHEAD = 86_400
"""Of the service's clock, that a time may be: clocks and zones differ."""

MOST_MEMBERS = 10
"""People in a group."""
