"""The network: configuration, branches, heads, the prior in front of it and the part that ranks."""
