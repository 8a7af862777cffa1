"""Work that is done beside the service: preparing it, filling and reading its database."""
