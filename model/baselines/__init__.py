"""Models to compare with: means, neighbours, and published networks, one file each."""
