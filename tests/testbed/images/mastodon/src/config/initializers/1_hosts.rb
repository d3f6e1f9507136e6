# frozen_string_literal: true

# mastodon.md §2.4: identity, place of the web interface, and the check of the Host header.
local = ENV.fetch('LOCAL_DOMAIN') { "localhost:#{ENV.fetch('PORT', 3000)}" }
web = ENV.fetch('WEB_DOMAIN') { local }
alternates = ENV.fetch('ALTERNATE_DOMAINS', '').split(/\s*,\s*/)

Rails.application.configure do
  config.x.local_domain = local
  config.x.web_domain = web
  config.x.alternate_domains = alternates
  config.x.streaming_api_base_url = ENV.fetch('STREAMING_API_BASE_URL') { "wss://#{web}" }
  config.action_mailer.default_url_options = { host: web, protocol: 'https' }

  config.hosts.concat([local, web, *alternates].compact_blank.uniq)
  config.host_authorization = {
    response_app: ->(_env) { [403, { 'Content-Type' => 'text/html; charset=UTF-8', 'Content-Length' => '0' }, []] },
    exclude: ->(request) { request.path == '/health' },
  }
end
