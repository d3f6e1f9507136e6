"""The pocket internet that end-to-end tests and the demo run in (design.md §5)."""
