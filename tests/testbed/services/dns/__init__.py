"""The domain name system of the pocket internet: Linode's five name servers,
one server for the root and every top-level domain, another provider's server,
and the recursors that machine, client and certificate authority use."""
