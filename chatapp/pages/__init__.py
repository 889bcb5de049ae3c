"""The page: what it is made of and what it and the server say to each other."""
