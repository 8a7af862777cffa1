"""Work beside the service: fetch data, train, fill and read its database."""
