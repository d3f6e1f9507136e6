# frozen_string_literal: true

module Mastodon
  # Redis from REDIS_URL or REDIS_HOST/PORT/USER/PASSWORD/DB, with the prefixes
  # CACHE_ and SIDEKIQ_ taking precedence (mastodon.md §2.6).
  module RedisConfiguration
    module_function

    def base
      { url: url(''), timeout: 5 }
    end

    def sidekiq
      { url: url('SIDEKIQ_') || url(''), timeout: 5 }
    end

    def cache
      { url: url('CACHE_') || url(''), namespace: 'cache', expires_in: 600, connect_timeout: 5 }
    end

    # A password is put into the URL as it is, like in Mastodon: `%` breaks it.
    def url(prefix)
      return ENV["#{prefix}REDIS_URL"] if ENV["#{prefix}REDIS_URL"].to_s != ''
      return nil if prefix != '' && ENV["#{prefix}REDIS_HOST"].to_s == ''

      values = %w(USER PASSWORD HOST PORT DB).to_h { |name| [name, ENV.fetch("#{prefix}REDIS_#{name}", '')] }
      login = "#{values['USER']}:#{values['PASSWORD']}@" if values['PASSWORD'] != ''
      host = values['HOST'] == '' ? 'localhost' : values['HOST']
      port = values['PORT'] == '' ? 6379 : values['PORT']
      "redis://#{login}#{host}:#{port}/#{values['DB'] == '' ? 0 : values['DB']}"
    end
  end
end
