# frozen_string_literal: true

if ENV['REDIS_NAMESPACE']
  abort <<~MESSAGE
    ERROR: the REDIS_NAMESPACE environment variable is no longer supported, and a migration is required.

    Please see documentation at https://github.com/mastodon/redis_namespace_migration
  MESSAGE
end
