"""HTTP handlers by noun; each only translates between HTTP and `app.services`."""
