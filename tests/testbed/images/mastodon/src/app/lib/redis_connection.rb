# frozen_string_literal: true

# The application's own Redis (REDIS_*), one connection per use.
module RedisConnection
  module_function

  def with
    redis = Redis.new(**Mastodon::RedisConfiguration.base)
    yield redis
  ensure
    redis&.close
  end
end
