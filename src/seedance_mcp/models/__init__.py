"""The models that RunComfy offers, as data: one JSON file each, and the code that reads them."""
