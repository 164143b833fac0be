"""Steps: each takes an artifact's parts and fills a folder with the parts of the next."""
