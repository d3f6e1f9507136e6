# frozen_string_literal: true

require_relative '../../../config/environment'
require 'thor'

module Mastodon
  module CLI
    # What all commands share: errors go to stderr and end with exit code 1 (mastodon.md §4).
    class Base < Thor
      def self.exit_on_failure?
        true
      end

      private

      def fail_with_message(message)
        raise Thor::Error, message
      end
    end
  end
end
