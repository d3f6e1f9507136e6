# frozen_string_literal: true

# Runs the jobs that Mastodon's scheduler runs every hour, inside Sidekiq.
module HourlyScheduler
  INTERVAL_SECONDS = 3600

  module_function

  def start
    @thread = Thread.new do
      loop do
        sleep INTERVAL_SECONDS
        AutoCloseRegistrationsScheduler.perform_async
      end
    end
  end

  def stop
    @thread&.kill
  end
end
