"""Videos: a brief, its script and storyboard, frames and clips by a provider, joined to a film."""
