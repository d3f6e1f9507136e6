# frozen_string_literal: true

require 'action_dispatch'
require 'action_dispatch/middleware/static'

module Mastodon
  module Middleware
    # Serves public/ with the headers of mastodon.md §5.2, precompressed siblings included.
    class PublicFileServer
      MUST_REVALIDATE = 'public, max-age=2419200, must-revalidate'
      SERVICE_WORKER = 'public, max-age=604800, must-revalidate'
      UPLOADS = 'public, max-age=2419200, immutable'

      def initialize(app, root)
        @app = app
        @files = ActionDispatch::FileHandler.new(root, precompressed: %i(br gzip), compressible_content_types: /.*/)
      end

      def call(env)
        served = @files.attempt(env)
        return @app.call(env) unless served

        status, headers, body = served
        [status, headers.merge(headers_for(env['PATH_INFO'])), body]
      end

      private

      def headers_for(path)
        common = { 'X-Content-Type-Options' => 'nosniff' }
        return common.merge('Cache-Control' => SERVICE_WORKER) if path == '/sw.js'
        return common.merge('Cache-Control' => MUST_REVALIDATE) unless path.start_with?('/system/')

        common.merge('Cache-Control' => UPLOADS, 'Content-Security-Policy' => "default-src 'none'; form-action 'none'")
      end
    end
  end
end
