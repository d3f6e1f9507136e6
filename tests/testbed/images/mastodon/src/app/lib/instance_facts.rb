# frozen_string_literal: true

# What the instance tells about itself. Counts are cached for 10 minutes (mastodon.md §6).
module InstanceFacts
  module_function

  def contact_account
    Account.find_local(Setting.site_contact_username.to_s.strip.delete_prefix('@'))
  end

  def registrations_enabled?
    Setting.registrations_mode != 'none' && !Rails.configuration.x.single_user_mode
  end

  def owner
    Account.local.without_suspended.without_internal.order(:id).first
  end

  def user_count
    Rails.cache.fetch('user_count') { User.confirmed.joins(:account).merge(Account.without_suspended).count }
  end

  def status_count
    Rails.cache.fetch('local_status_count') { Status.local.joins(:account).merge(Account.local).count }
  end

  def domain_count
    Rails.cache.fetch('distinct_domain_count') { Account.remote.distinct.count(:domain) }
  end
end
