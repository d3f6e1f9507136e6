# frozen_string_literal: true

# mastodon.md §2.10: TRUSTED_PROXY_IP replaces the default list.
configured = ENV.fetch('TRUSTED_PROXY_IP', '').split(/(?:\s*,\s*|\s+)/).compact_blank

Rails.application.config.action_dispatch.trusted_proxies = configured.map { |proxy| IPAddr.new(proxy) } if configured.any?
