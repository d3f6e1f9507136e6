# frozen_string_literal: true

require_relative 'base'

module Mastodon
  module CLI
    # mastodon.md §4.1, §4.2 and §4.5: options, outputs, exit codes.
    class Accounts < Base
      option :email, required: true
      option :confirmed, type: :boolean
      option :role
      option :reattach, type: :boolean
      option :force, type: :boolean
      option :approve, type: :boolean
      desc 'create USERNAME', 'Create a new user account'
      def create(username)
        role = role_named(options[:role]) if options[:role]
        account = account_for(username) || return
        password = SecureRandom.hex
        user = User.new(
          email: options[:email], password: password, agreement: true, role_id: role&.id,
          confirmed_at: options[:confirmed] ? Time.now.utc : nil, bypass_registration_checks: true
        )
        account.suspended_at = nil
        user.account = account

        report_errors(user.errors) unless user.save

        confirm_at_once(user) if options[:confirmed]
        user.approve! if options[:approve]
        say('OK', :green)
        say("New password: #{password}")
      end

      option :role
      option :remove_role, type: :boolean
      option :email
      option :confirm, type: :boolean
      option :enable, type: :boolean
      option :disable, type: :boolean
      option :disable_2fa, type: :boolean
      option :approve, type: :boolean
      option :reset_password, type: :boolean
      desc 'modify USERNAME', 'Modify a user account'
      def modify(username)
        user = Account.find_local(username)&.user
        fail_with_message 'No user with such username' if user.nil?

        modify_role(user)
        modify_state(user)
        password = SecureRandom.hex if options[:reset_password]
        user.change_password!(password) if password

        report_errors(user.errors) unless user.save

        user.confirm if options[:confirm]
        say('OK', :green)
        say("New password: #{password}") if password
      end

      option :number, type: :numeric, aliases: [:n]
      option :all, type: :boolean
      desc 'approve [USERNAME]', 'Approve pending accounts'
      def approve(username = nil)
        fail_with_message 'Number must be positive' if options[:number]&.negative?

        if options[:all]
          User.pending.find_each(&:approve!)
        elsif options[:number]&.positive?
          User.pending.order(created_at: :asc).limit(options[:number]).each(&:approve!)
        elsif username.present?
          account = Account.find_local(username)
          fail_with_message 'No such account' if account.nil?
          account.user&.approve!
        else
          return
        end
        say('OK', :green)
      end

      option :email
      desc 'delete [USERNAME]', 'Delete a user'
      def delete(username = nil)
        fail_with_message 'Use username or --email, not both' if username.present? && options[:email].present?
        fail_with_message 'No username provided' if username.blank? && options[:email].blank?

        account = username.present? ? Account.find_local(username) : User.find_by(email: options[:email])&.account
        fail_with_message "No user with such #{username.present? ? 'username' : 'email'}" if account.nil?

        say("Deleting user with #{account.statuses.count} statuses, this might take a while...")
        # The account stays as a tombstone: nobody can take the name again.
        account.user&.destroy!
        account.update!(suspended_at: Time.now.utc, suspension_origin: 0)
        say('OK', :green)
      end

      private

      def role_named(name)
        UserRole.find_by(name: name) || fail_with_message('Cannot find user role with that name')
      end

      # Nil when the name is in use and --force was not given; that ends with exit code 0.
      def account_for(username)
        existing = Account.find_local(username) if options[:reattach]
        return existing || Account.new(username: username) if existing&.user.nil?

        unless options[:force]
          say('The chosen username is currently in use', :red)
          say('Use --force to reattach it anyway and delete the other user')
          return
        end
        existing.destroy!
        Account.new(username: username)
      end

      def confirm_at_once(user)
        user.confirmed_at = nil
        user.mark_email_as_confirmed!
      end

      def modify_role(user)
        user.role_id = role_named(options[:role]).id if options[:role]
        user.role_id = nil if options[:remove_role] && !options[:role]
      end

      def modify_state(user)
        user.email = options[:email] if options[:email]
        user.disabled = false if options[:enable]
        user.disabled = true if options[:disable]
        user.approved = true if options[:approve]
        user.otp_required_for_login = false if options[:disable_2fa]
      end

      def report_errors(errors)
        fail_with_message(errors.map { |error| "Failure/Error: #{error.attribute}\n    #{error.type}\n" }.join)
      end
    end
  end
end
