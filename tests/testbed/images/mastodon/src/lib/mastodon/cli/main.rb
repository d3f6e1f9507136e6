# frozen_string_literal: true

require_relative 'base'
require_relative 'accounts'
require_relative 'cache'
require_relative 'settings'

module Mastodon
  module CLI
    # The commands of `tootctl` that this stand-in knows.
    class Main < Base
      desc 'accounts SUBCOMMAND ...ARGS', 'Manage accounts'
      subcommand 'accounts', Accounts

      desc 'cache SUBCOMMAND ...ARGS', 'Manage cache'
      subcommand 'cache', Cache

      desc 'settings SUBCOMMAND ...ARGS', 'Manage dynamic settings'
      subcommand 'settings', Settings

      map %w(--version -v) => :version

      desc 'version', 'Show version'
      def version
        say(Mastodon::Version.to_s)
      end
    end
  end
end
