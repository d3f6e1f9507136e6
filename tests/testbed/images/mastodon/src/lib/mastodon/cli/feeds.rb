# frozen_string_literal: true

require_relative 'base'

module Mastodon
  module CLI
    # Home timelines in Redis. The stand-in has no follows: a timeline holds what its owner wrote.
    class Feeds < Base
      option :all, type: :boolean, default: false
      option :dry_run, type: :boolean, default: false
      desc 'build [USERNAME]', 'Build home and list feeds for one or all users'
      def build(username = nil)
        if options[:all] || username.nil?
          accounts = Account.where(id: User.active.select(:account_id))
          accounts.find_each { |account| fill(account) }
          return say("Regenerated feeds for #{accounts.count} accounts #{note}", :green, true)
        end

        account = Account.find_local(username)
        if account.nil?
          say('No such account', :red)
          exit(1)
        end
        fill(account)
        say("OK #{note}", :green, true)
      end

      desc 'clear', 'Remove all home and list feeds from Redis'
      def clear
        RedisConnection.with do |redis|
          keys = redis.keys('feed:*')
          redis.del(*keys) if keys.any?
        end
        say('OK', :green)
      end

      private

      def note
        options[:dry_run] ? '(DRY RUN)' : ''
      end

      def fill(account)
        return if options[:dry_run]

        ids = account.statuses.pluck(:id)
        RedisConnection.with { |redis| redis.zadd("feed:home:#{account.id}", ids.map { |id| [id, id] }) if ids.any? }
      end
    end
  end
end
