"""Bayesian matrix factorization, fitted offline; what it comes to is served by `model.network.prior`."""
