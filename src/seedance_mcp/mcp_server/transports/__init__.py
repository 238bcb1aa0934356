"""How a server is reached, over stdio or HTTP, and how it shuts down."""
