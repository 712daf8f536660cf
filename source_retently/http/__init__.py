"""HTTP: authentication, the rate budget, retries, and what a response means. Nothing here knows streams."""
