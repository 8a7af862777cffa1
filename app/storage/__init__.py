"""Every query of the service, by noun. Nothing here begins or ends a transaction, except `database`."""
