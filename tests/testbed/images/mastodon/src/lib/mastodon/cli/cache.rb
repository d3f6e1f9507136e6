# frozen_string_literal: true

require_relative 'base'

module Mastodon
  module CLI
    class Cache < Base
      desc 'clear', 'Clear out the cache storage'
      def clear
        Rails.cache.clear
        say('OK', :green)
      end
    end
  end
end
