"""Tries Lamprey where it must work: `layer/verify`. docs/verify.md says what for and how to read it."""
