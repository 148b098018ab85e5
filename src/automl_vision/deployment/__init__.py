"""A model at work: scoring many images, resumable and on many machines."""
