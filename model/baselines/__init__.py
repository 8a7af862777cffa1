"""Models to compare with: means, popularity, neighbours, and published networks, one file each."""
