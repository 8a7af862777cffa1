"""Encodes for serving: the movies of a catalogue once, and users for each request."""
