"""The online endpoint: a folder with its definition, models and keys, and the server that follows it."""
