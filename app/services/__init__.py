"""The use cases, by noun.

Each asks the database in short transactions and holds no connection while the model scores. All methods block: call
them from worker threads.
"""
