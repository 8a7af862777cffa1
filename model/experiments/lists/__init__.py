"""How good lists are: the runs, their figures and their report."""
