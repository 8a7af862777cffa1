"""Measurements of other libraries on this project's protocols; nothing in `app` or `model` imports it."""
