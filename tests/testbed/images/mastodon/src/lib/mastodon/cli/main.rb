# frozen_string_literal: true

require_relative 'base'
require_relative 'accounts'
require_relative 'cache'
require_relative 'federation'
require_relative 'feeds'
require_relative 'media'
require_relative 'settings'

module Mastodon
  module CLI
    # The commands of `tootctl` that this stand-in knows.
    class Main < Base
      desc 'accounts SUBCOMMAND ...ARGS', 'Manage accounts'
      subcommand 'accounts', Accounts

      desc 'cache SUBCOMMAND ...ARGS', 'Manage cache'
      subcommand 'cache', Cache

      desc 'feeds SUBCOMMAND ...ARGS', 'Manage feeds'
      subcommand 'feeds', Feeds

      desc 'media SUBCOMMAND ...ARGS', 'Manage media files'
      subcommand 'media', Media

      desc 'settings SUBCOMMAND ...ARGS', 'Manage dynamic settings'
      subcommand 'settings', Settings

      include Federation

      map %w(--version -v) => :version

      desc 'version', 'Show version'
      def version
        say(Mastodon::Version.to_s)
      end
    end
  end
end
