"""Events to partner platforms over HTTPS, signed: CloudEvents 1.0 and Standard Webhooks."""
