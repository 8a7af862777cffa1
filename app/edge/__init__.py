"""What every request passes before it reaches a route: limits of time, number and size, hosts, keys; and its record."""
