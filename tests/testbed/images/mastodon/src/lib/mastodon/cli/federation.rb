# frozen_string_literal: true

require_relative 'base'

module Mastodon
  module CLI
    # Leaving the fediverse. The stand-in knows no other servers, so it ends as Mastodon does where nobody is to be told.
    module Federation
      WARNINGS = [
        'This operation WILL NOT be reversible. It can also take a long time.',
        "While the data won't be erased locally, the server will be in a BROKEN STATE afterwards.",
        'A running Sidekiq process is required. Do not shut it down until queues clear.'
      ].freeze

      def self.included(main)
        main.class_eval do
          option :dry_run, type: :boolean
          desc 'self-destruct', 'Erase the server from the federation'
          def self_destruct
            exit(1) unless ask('Type in the domain of the server to confirm:') == Rails.configuration.x.local_domain

            unless options[:dry_run]
              Federation::WARNINGS.each { |warning| say(warning, :yellow) }
              exit(1) unless yes?('Are you sure you want to proceed? (y/N)')

              leave
            end
            say('It seems like your server has not federated with anything', :green)
            say('You can shut it down and delete it any time', :green)
          end

          no_commands do
            def leave
              Setting.registrations_mode = 'none'
              Account.local.without_suspended.update_all(suspended_at: Time.now.utc, suspension_origin: 0)
            end
          end
        end
      end
    end
  end
end
