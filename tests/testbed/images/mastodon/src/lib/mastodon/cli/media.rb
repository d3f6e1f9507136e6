# frozen_string_literal: true

require_relative 'base'

module Mastodon
  module CLI
    # The stand-in keeps no media: nothing takes space, and there is nothing to remove. No progress bar is drawn.
    class Media < Base
      LOCAL_AND_REMOTE = ['Attachments', 'Custom emoji', 'Avatars', 'Headers'].freeze

      option :days, type: :numeric, default: 7, aliases: [:d]
      option :prune_profiles, type: :boolean, default: false
      option :remove_headers, type: :boolean, default: false
      option :include_follows, type: :boolean, default: false
      option :dry_run, type: :boolean, default: false
      desc 'remove', 'Remove remote media files, headers or avatars'
      def remove
        profiles = options[:prune_profiles] || options[:remove_headers]
        refuse('--prune-profiles and --remove-headers should not be specified simultaneously') if options[:prune_profiles] && options[:remove_headers]
        refuse('--include-follows can only be used with --prune-profiles or --remove-headers') if options[:include_follows] && !profiles

        removed = profiles ? 'Visited 0 accounts and removed profile media totaling 0 Bytes' : 'Removed 0 media attachments (approx. 0 Bytes)'
        say(removed + (options[:dry_run] ? ' (DRY RUN)' : ''), :green, true)
      end

      desc 'usage', 'Calculate disk space consumed by Mastodon'
      def usage
        ['Attachments', 'Custom emoji', 'Preview cards', 'Avatars', 'Headers', 'Backups', 'Imports', 'Settings'].each do |kind|
          say("#{kind}:\t0 Bytes#{' (0 Bytes local)' if LOCAL_AND_REMOTE.include?(kind)}")
        end
      end

      private

      def refuse(message)
        say(message, :red, true)
        exit(1)
      end
    end
  end
end
