# frozen_string_literal: true

module Mastodon
  module Middleware
    # Says on every answer that this is not the real Mastodon.
    class StandInHeader
      def initialize(app)
        @app = app
      end

      def call(env)
        status, headers, body = @app.call(env)
        headers['X-Stand-In'] = 'tootstrap test bed'
        [status, headers, body]
      end
    end
  end
end
