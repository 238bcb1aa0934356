"""What a clip costs and what may be spent: estimates, hourly and daily limits."""
