"""How the streams join, as a list, as a table, and as a picture."""
