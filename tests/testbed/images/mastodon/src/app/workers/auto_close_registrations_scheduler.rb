# frozen_string_literal: true

# mastodon.md §4.6: open registrations fall back to approval when no moderator came for 8 days.
class AutoCloseRegistrationsScheduler
  include Sidekiq::Job
  sidekiq_options queue: 'scheduler', retry: 0

  ABSENCE = 8.days

  def perform
    return if ENV['DISABLE_AUTOMATIC_SWITCHING_TO_APPROVED_REGISTRATIONS'] == 'true'
    return if Rails.configuration.x.email_domains_allowlist.present?
    return unless Setting.registrations_mode == 'open'
    return if User.those_who_can(:manage_reports).where('current_sign_in_at >= ?', ABSENCE.ago).exists?

    Setting.registrations_mode = 'approved'
  end
end
