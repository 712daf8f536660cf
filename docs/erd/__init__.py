"""How the streams join, as a list, a table and a diagram."""
