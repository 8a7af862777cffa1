"""What models are judged by: interfaces, metrics, and protocols applied."""
