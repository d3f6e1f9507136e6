# frozen_string_literal: true

# There are no webhooks in the stand-in; the job exists because Mastodon enqueues it.
class TriggerWebhookWorker
  include Sidekiq::Job

  def perform(event, class_name, id)
    Rails.logger.info("Webhook #{event} for #{class_name} #{id}: no receivers")
  end
end
