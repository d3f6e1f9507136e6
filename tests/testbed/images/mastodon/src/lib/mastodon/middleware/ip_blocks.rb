# frozen_string_literal: true

module Mastodon
  module Middleware
    # Refuses blocked client addresses. Like Mastodon's, it looks at the client
    # address of every request (so a spoofed one fails everywhere) and asks the
    # database only while the cache is cold (mastodon.md §6, row /health).
    class IpBlocks
      def initialize(app)
        @app = app
      end

      def call(env)
        client = ActionDispatch::Request.new(env).remote_ip
        return [403, { 'Content-Type' => 'text/plain' }, ['Forbidden']] if IpBlock.blocked?(client)

        @app.call(env)
      end
    end
  end
end
