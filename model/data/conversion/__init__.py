"""Conversion of any table of ratings into a folder in the form of the newer MovieLens sets."""
