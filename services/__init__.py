"""One folder a service, each of the same shape; they meet only in `shared.events`."""
