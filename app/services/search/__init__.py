"""The search by title: names without what may differ in spelling, and the index of them."""
