"""Results → terminal, plain text and JSON. Nothing here reads or writes anything but the console it is given."""
