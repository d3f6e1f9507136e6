# frozen_string_literal: true

Rails.application.configure do
  config.enable_reloading = false
  config.eager_load = true
  config.consider_all_requests_local = false
  config.action_controller.perform_caching = true

  # mastodon.md §5.2: public/ is served by the application itself.
  config.public_file_server.enabled = false
  if ENV['RAILS_SERVE_STATIC_FILES'] == 'true'
    config.middleware.insert_before Rack::Runtime, Mastodon::Middleware::PublicFileServer, Rails.root.join('public').to_s
  end

  # mastodon.md §2.4: plain http is redirected, except /health and hidden services.
  plain_http = ->(request) { request.path.start_with?('/health') || request.host.end_with?('.onion', '.i2p') }
  config.force_ssl = true
  config.ssl_options = { redirect: { exclude: plain_http }, hsts: { expires: 63_072_000, subdomains: true } }

  # mastodon.md §4: the log goes to the same stdout as the output of commands.
  config.log_level = ENV.fetch('RAILS_LOG_LEVEL', 'info').to_sym
  config.log_tags = [:request_id]
  config.logger = ActiveSupport::TaggedLogging.new(
    ActiveSupport::Logger.new($stdout, formatter: Logger::Formatter.new)
  )

  config.cache_store = :redis_cache_store, Mastodon::RedisConfiguration.cache

  config.active_record.dump_schema_after_migration = false
  config.active_support.report_deprecations = false

  config.action_dispatch.default_headers = {
    'Server' => 'Mastodon',
    'X-Frame-Options' => 'DENY',
    'X-Content-Type-Options' => 'nosniff',
    'X-XSS-Protection' => '0',
    'Referrer-Policy' => 'same-origin',
  }
end
