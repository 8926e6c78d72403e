"""What the clinic's algorithms share."""
