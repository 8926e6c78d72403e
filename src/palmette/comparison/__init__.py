"""Two runs → what differs between them. Pure: nothing is read, nothing is written, no user code is called."""
