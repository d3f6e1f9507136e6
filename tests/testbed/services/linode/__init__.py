"""A double of the Linode API v4, Domains part (linode.md §1). It is not the real one.

It enforces what the documentation promises, and where the documentation is
silent the docstring at that place says "assumed": the texts of most refusals, the
error of a zone that another account holds, that exact duplicates of a record are
accepted, the status of a page out of range.

Not covered: `/domains/import`, `/domains/{id}/clone`, slave zones' transfers, IAM
roles, token creation, statuses 202, 204 and 299, HTTP/2 (so no GOAWAY), and
everything but Domains.
"""
