"""The nouns: frozen values and the rules between them. Standard library only."""
