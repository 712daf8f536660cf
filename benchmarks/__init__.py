"""Speed, memory and requests of the connector, compared with other programs."""
