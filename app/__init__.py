"""The SeqRec service and its command line."""
