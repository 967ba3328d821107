"""What a request through a proxy costs: an origin, clients, peers and their processes."""
