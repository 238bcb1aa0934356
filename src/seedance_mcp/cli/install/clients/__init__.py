"""The clients: each module says where one keeps its servers, and in which form."""
