"""What Python programs import: the client of a SeqRec service."""
