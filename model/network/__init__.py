"""The network: configuration, recurrent layers, branches, heads, the prior and the ranking network."""
