"""How fast, how large and how many requests, against others."""
