# frozen_string_literal: true

require 'sidekiq/web'

# The ready file of mastodon.md §1.4: there while Sidekiq takes jobs.
def sidekiq_ready_file
  name = ENV['MASTODON_SIDEKIQ_READY_FILENAME'] || return
  raise 'MASTODON_SIDEKIQ_READY_FILENAME is not a valid filename' if File.basename(name) != name

  Rails.root.join('tmp', name)
end

Sidekiq.configure_server do |config|
  config.redis = Mastodon::RedisConfiguration.sidekiq

  require 'sidekiq/launcher'
  Sidekiq::Launcher::PROCTITLES[1] = proc { Mastodon::Version.sidekiq }

  config.on(:startup) do
    StandIn::Weights.apply_memory('sidekiq')
    FileUtils.touch(sidekiq_ready_file) if sidekiq_ready_file
    HourlyScheduler.start
  end

  config.on(:shutdown) do
    HourlyScheduler.stop
    FileUtils.rm_f(sidekiq_ready_file) if sidekiq_ready_file
  end
end

Sidekiq.configure_client { |config| config.redis = Mastodon::RedisConfiguration.sidekiq }
Sidekiq.logger.level = Logger.const_get(ENV.fetch('RAILS_LOG_LEVEL', 'info').upcase)
