"""The use cases, by noun.

Each reads and writes in short transactions and holds no database connection while the model scores. All methods block:
call them from worker threads.
"""
