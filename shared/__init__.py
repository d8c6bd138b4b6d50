"""What two services must agree on, and what every service needs."""
