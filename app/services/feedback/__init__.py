"""What users tell beside stars: events, what they mean for lists, and how good the served lists were."""
