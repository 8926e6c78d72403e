"""Graph + bundle → IR: one lowering function for each construct."""
