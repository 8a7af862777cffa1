"""The list experiment: its runs, figures and report."""
