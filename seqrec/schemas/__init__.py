"""Bodies of requests and answers, by noun; their descriptions are the API's documentation.

Nothing here needs the server, so the Python client reads the same classes.
"""
