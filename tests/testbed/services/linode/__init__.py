"""A double of the Linode API v4, Domains part (linode.md §1). It is not the real one.

It enforces what the documentation promises, and where the documentation is
silent the docstring at that place says "assumed". Not covered: `/domains/import`,
`/domains/{id}/clone`, slave zones' transfers, IAM roles, everything but Domains.
"""
