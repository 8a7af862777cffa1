"""Whole databases on their way: into another database, into an archive and out of one."""
