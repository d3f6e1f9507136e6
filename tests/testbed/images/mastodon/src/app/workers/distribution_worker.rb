# frozen_string_literal: true

# Mastodon hands a new post to everybody who follows its author. The stand-in tells the author's own open connections, and leaves a
# trace in Redis, by which tests see that the job was done.
class DistributionWorker
  include Sidekiq::Job

  def perform(status_id)
    status = Status.find(status_id)
    message = { event: 'update', payload: StatusDocument.of(status).to_json }
    RedisConnection.with do |redis|
      redis.publish("timeline:#{status.account_id}", message.to_json)
      redis.sadd('stand-in:distributed', status.id.to_s)
    end
  end
end
