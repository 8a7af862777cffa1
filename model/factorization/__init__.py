"""Fits the priors offline: bias model and Bayesian matrix factorization. `model.network.prior` predicts with them."""
