"""What a device notices: subscriptions, and from their notifications to what is news."""
