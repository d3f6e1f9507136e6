# frozen_string_literal: true

# Mastodon fills a new user's timeline here; the stand-in only leaves a trace
# in Redis, by which tests see that Sidekiq works.
class BootstrapTimelineWorker
  include Sidekiq::Job

  def perform(account_id)
    account = Account.find(account_id)
    RedisConnection.with { |redis| redis.set("stand-in:bootstrapped:#{account.username}", Time.now.utc.iso8601) }
  end
end
