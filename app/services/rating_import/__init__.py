"""Imports ratings from other sites: reads what a user has rated there, and finds the movies in the catalogue.

`files` turns bytes into texts, `formats` texts into ratings, `matching` finds their movies, and `importing` is the use
case: what an import would write, and the writing.
"""
