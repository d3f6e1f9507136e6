# frozen_string_literal: true

require_relative 'boot'

require 'rails'
require 'active_record/railtie'
require 'active_job/railtie'
require 'action_controller/railtie'
require 'action_mailer/railtie'
require 'redis'
require 'sidekiq'

require_relative '../lib/mastodon/version'
require_relative '../lib/mastodon/redis_configuration'
require_relative '../lib/mastodon/middleware/stand_in_header'
require_relative '../lib/mastodon/middleware/public_file_server'
require_relative '../lib/mastodon/middleware/ip_blocks'
require_relative '../lib/mastodon/remote_ip_check'
require_relative '../lib/stand_in/weights'

module Mastodon
  # A stand-in for Mastodon on Debian's Ruby on Rails: see STAND-IN.md.
  class Application < Rails::Application
    config.load_defaults 7.2
    config.autoload_lib(ignore: %w(mastodon tasks stand_in))
    config.add_autoload_paths_to_load_path = false

    config.active_job.queue_adapter = :sidekiq
    config.action_mailer.deliver_later_queue_name = 'mailers'
    config.i18n.fallbacks = true

    # Values of ENV that several files use (mastodon.md §2).
    config.x.vapid_public_key = ENV['VAPID_PUBLIC_KEY']
    config.x.single_user_mode = ENV['SINGLE_USER_MODE'] == 'true'
    config.x.email_domains_allowlist = ENV.fetch('EMAIL_DOMAIN_ALLOWLIST', '')
    config.x.email_domains_denylist = ENV.fetch('EMAIL_DOMAIN_DENYLIST', '')
    config.x.settings_defaults = config_for(:settings)

    paths['db/migrate'] << 'db/post_migrate' unless ENV.key?('SKIP_POST_DEPLOYMENT_MIGRATIONS')

    config.middleware.insert_before 0, Mastodon::Middleware::StandInHeader
    config.middleware.use Mastodon::Middleware::IpBlocks
  end
end
